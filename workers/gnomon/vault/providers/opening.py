"""Finds the provider that a URI names."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from gnomon.errors import ConfigurationError, KeyUnavailableError
from gnomon.settings import Settings
from gnomon.vault.providers import local
from gnomon.vault.providers.chain import ProviderChain
from gnomon.vault.wrapping import KeyProvider

_FORMS: Final = "file://, env://, vault://, awskms://, gcpkms:// or azurekv://"


class _Open(Protocol):
    def __call__(self, uri: str, settings: Settings) -> KeyProvider: ...


def open_providers(settings: Settings) -> KeyProvider:
    """Return the provider of ``settings.key_provider``, with those of ``settings.key_retired`` behind it.

    Raises:
        KeyUnavailableError: A key is missing, malformed or readable by others.
        ConfigurationError: A URI is malformed, or a package is missing.
    """
    current = open_provider(settings.key_provider, settings)
    retired = [uri for part in settings.key_retired.split(",") if (uri := part.strip())]
    if not retired:
        return current
    return ProviderChain(current, [open_provider(uri, settings) for uri in retired])


def open_provider(uri: str, settings: Settings) -> KeyProvider:
    """Return the provider that ``uri`` names; without one ``GNOMON_KEY``, or else the key file.

    Raises:
        KeyUnavailableError: The key is missing, malformed or readable by others.
        ConfigurationError: ``uri`` is malformed, or a package is missing.
    """
    if not uri:
        if settings.key:
            return local.from_text(settings.key, name="GNOMON_KEY")
        return local.from_file(Path(settings.key_file))
    form, separator, _ = uri.partition("://")
    if not separator or form not in _BY_FORM:
        raise ConfigurationError(f"a key provider must be {_FORMS}, got {form[:20]!r}")
    return _BY_FORM[form](uri, settings)


def _file(uri: str, settings: Settings) -> KeyProvider:
    del settings
    return local.from_file(Path(uri.removeprefix("file://")))


def _env(uri: str, settings: Settings) -> KeyProvider:
    name = uri.removeprefix("env://")
    text = settings.key if name == "GNOMON_KEY" else os.environ.get(name, "")
    if not text:
        raise KeyUnavailableError(f"no key: the variable {name} is not set")
    return local.from_text(text, name=name)


def _vault(uri: str, settings: Settings) -> KeyProvider:
    from gnomon.vault.providers.transit import VaultTransit  # noqa: PLC0415

    return VaultTransit.at(uri, settings)


def _awskms(uri: str, settings: Settings) -> KeyProvider:
    from gnomon.vault.providers.awskms import AwsKms  # noqa: PLC0415  needs gnomon[awskms]

    del settings
    return AwsKms.at(uri)


def _gcpkms(uri: str, settings: Settings) -> KeyProvider:
    from gnomon.vault.providers.gcpkms import GcpKms  # noqa: PLC0415  needs gnomon[gcpkms]

    del settings
    return GcpKms.at(uri)


def _azurekv(uri: str, settings: Settings) -> KeyProvider:
    from gnomon.vault.providers.azurekv import AzureKeyVault  # noqa: PLC0415  needs gnomon[azurekv]

    del settings
    return AzureKeyVault.at(uri)


_BY_FORM: Final[Mapping[str, _Open]] = {
    "file": _file,
    "env": _env,
    "vault": _vault,
    "vault+http": _vault,
    "awskms": _awskms,
    "gcpkms": _gcpkms,
    "azurekv": _azurekv,
}

"""An RSA key of Azure Key Vault, through azure-keyvault-keys (``gnomon[azurekv]``).

``wrapKey`` knows no associated data, so it wraps a key made for the one purpose, and that seals the secret with
AES-256-GCM, bound as everywhere. RSA-OAEP encrypts with a public key: who has that, and may write to the store,
could put in a scope key of his own. The other providers authenticate what they unwrap.
"""

import os
import re
from collections.abc import Callable
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag

from gnomon.errors import ConfigurationError, MissingExtraError
from gnomon.vault import envelope
from gnomon.vault.providers.calling import Failure, attempt, tampered, unavailable, whole
from gnomon.vault.wrapping import Binding, Secret, Wrapped

_FORM: Final = "azurekv://"
_URI: Final = re.compile(r"azurekv://([a-z0-9.-]+)/([A-Za-z0-9-]+)")
_ALGORITHM: Final = "RSA-OAEP-256"
_DOES_NOT_OPEN: Final = "BadParameter"
_LENGTH_BYTES: Final = 2


class AzureKeyVault:
    """A key of Azure Key Vault.

    Args:
        vault: Host of the vault.
        key: Name of the key.
        newest: Returns the id of the newest version, a URL.
        crypto: Returns a ``CryptographyClient`` for the id of a version.
        errors: Base classes of what the clients raise.
    """

    def __init__(
        self,
        vault: str,
        key: str,
        *,
        newest: Callable[[], str],
        crypto: Callable[[str], Any],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._base = f"{_FORM}{vault}/{key}"
        self._prefix = f"https://{vault}/keys/{key}/"
        self._newest, self._crypto, self._errors = newest, crypto, errors

    @classmethod
    def at(cls, uri: str) -> Self:
        """Return the key that ``uri`` names: ``azurekv://NAME.vault.azure.net/KEY``.

        Raises:
            ConfigurationError: ``uri`` is malformed.
            MissingExtraError: azure-keyvault-keys or azure-identity is not installed.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ConfigurationError(f"expected azurekv://NAME.vault.azure.net/KEY: {uri!r}")
        try:
            from azure.core.exceptions import AzureError  # noqa: PLC0415
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415
            from azure.keyvault.keys import KeyClient  # noqa: PLC0415  only where it is asked for
            from azure.keyvault.keys.crypto import CryptographyClient  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "an azurekv:// provider", module=str(error.name), extra="azurekv"
            ) from error
        vault, key = match.groups()
        credential = DefaultAzureCredential()
        keys = KeyClient(f"https://{vault}", credential, retry_total=1)
        return cls(
            vault,
            key,
            newest=lambda: str(keys.get_key(key).id),
            crypto=lambda version: CryptographyClient(version, credential, retry_total=1),
            errors=(AzureError,),
        )

    def __repr__(self) -> str:
        return f"AzureKeyVault({self._base})"

    @property
    def id(self) -> str:
        """The key without its version."""
        return self._base

    @property
    def name(self) -> str:
        """The key without its version."""
        return self._base

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is a version of this key."""
        return kek_id.startswith(f"{self._base}/")

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the newest version."""
        return kek_id == self._id_of(self._asked(self._newest))

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Seal the key with one made for it, and have Key Vault wrap that."""
        version = self._asked(self._newest)
        inner = Secret(os.urandom(envelope.KEY_BYTES))
        answer = self._asked(
            lambda: self._crypto(version).wrap_key(_ALGORITHM, inner.reveal()).encrypted_key
        )
        nonce = os.urandom(envelope.NONCE_BYTES)
        cipher = envelope.cipher(inner.reveal())
        sealed = nonce + cipher.encrypt(nonce, secret.reveal(), binding.encoded())
        blob = len(answer).to_bytes(_LENGTH_BYTES, "big") + bytes(answer) + sealed
        return Wrapped(self._id_of(version), blob)

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Have Key Vault unwrap the key that seals this one."""
        blob, version = wrapped.blob, wrapped.kek_id.removeprefix(f"{self._base}/")
        end = _LENGTH_BYTES + int.from_bytes(blob[:_LENGTH_BYTES], "big")
        outer, sealed = blob[_LENGTH_BYTES:end], blob[end:]
        if len(sealed) != envelope.NONCE_BYTES + envelope.KEY_BYTES + envelope.TAG_BYTES:
            raise tampered(binding.id)
        answer = attempt(
            lambda: Secret(self._crypto(self._prefix + version).unwrap_key(_ALGORITHM, outer).key),
            self._errors,
            _code,
        )
        if isinstance(answer, Failure):
            if answer.kind == _DOES_NOT_OPEN:
                raise tampered(binding.id)
            raise unavailable(self.name, answer)
        secret = _opened(whole(answer, binding.id), sealed, binding)
        if secret is None:
            raise tampered(binding.id)
        return secret

    def _asked(self, call: Callable[[], Any]) -> Any:
        answer = attempt(call, self._errors, _code)
        if isinstance(answer, Failure):
            raise unavailable(self.name, answer)
        return answer

    def _id_of(self, version: str) -> str:
        return f"{self._base}/{version.removeprefix(self._prefix)}"


def _opened(inner: Secret, sealed: bytes, binding: Binding) -> Secret | None:
    nonce, text = sealed[: envelope.NONCE_BYTES], sealed[envelope.NONCE_BYTES :]
    cipher = envelope.cipher(inner.reveal())
    try:
        return Secret(cipher.decrypt(nonce, text, binding.encoded()))
    except InvalidTag:
        return None


def _code(error: Exception) -> str:
    inner = getattr(error, "error", None)
    return str(getattr(inner, "code", "") or type(error).__name__)

"""Vault's transit engine, of HashiCorp Vault or OpenBao, over its HTTP API.

The key is of type ``aes256-gcm96``, so that the binding is authenticated (``associated_data``). Its version is
part of the key id, because ``vault write -f transit/keys/NAME/rotate`` makes a version, and rewrapping moves to it.
API: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import base64
import binascii
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Self
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from gnomon.errors import ConfigurationError, KeyUnavailableError
from gnomon.settings import Settings
from gnomon.vault.providers.calling import Failure, attempt, tampered, unavailable, whole
from gnomon.vault.wrapping import Binding, Secret, Wrapped

TIMEOUT_S: Final = 5.0
_URI: Final = re.compile(r"vault(\+http)?://([^/?#@\s]+)/([A-Za-z0-9._/-]+)/([A-Za-z0-9._-]+)")
_BLOB: Final = re.compile(r"vault:v([1-9]\d{0,8}):[A-Za-z0-9+/=]+")
_MOST_ANSWER_BYTES: Final = 1 << 20
_BAD_REQUEST: Final = "400"
_DOES_NOT_OPEN: Final = ("message authentication failed", "invalid ciphertext", "cipher:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to log in to Vault.

    Attributes:
        token: The token; empty if ``token_file`` has it.
        token_file: File with the token, read for each request.
        namespace: Vault Enterprise's or OpenBao's namespace.
        cacert: PEM file with the authorities that the server's certificate may be of.
    """

    token: str = ""
    token_file: str = ""
    namespace: str = ""
    cacert: str = ""

    def __repr__(self) -> str:
        return f"Access(token_file={self.token_file!r}, namespace={self.namespace!r})"


class VaultTransit:
    """A key of a transit engine.

    Args:
        uri: ``vault://host:port/mount/key``, by HTTPS; ``vault+http://…`` without encryption, for tests.
        access: How to log in.

    Raises:
        ConfigurationError: ``uri`` is malformed, or the file of authorities cannot be read.
    """

    def __init__(self, uri: str, access: Access) -> None:
        match = _URI.fullmatch(uri)
        if match is None:
            raise ConfigurationError(
                f"expected vault://host:port/mount/key, such as vault://vault:8200/transit/gnomon: {uri!r}"
            )
        clear, address, mount, key = match.groups()
        self._name, self._access = uri, access
        self._base = f"{'http' if clear else 'https'}://{address}/v1/{mount}"
        self._key = key
        self._opener = build_opener(ProxyHandler(), HTTPSHandler(context=_context(access.cacert)))

    @classmethod
    def at(cls, uri: str, settings: Settings) -> Self:
        """Return the key that ``uri`` names, reached as the settings say."""
        access = Access(
            token=settings.vault_token,
            token_file=settings.vault_token_file,
            namespace=settings.vault_namespace,
            cacert=settings.vault_cacert,
        )
        return cls(uri, access)

    def __repr__(self) -> str:
        return f"VaultTransit({self._name})"

    @property
    def id(self) -> str:
        """The key without its version."""
        return self._name

    @property
    def name(self) -> str:
        """The URI."""
        return self._name

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is a version of this key."""
        return kek_id.startswith(f"{self._name}#v")

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the newest version."""
        token = self._token()
        answer = self._answered(
            attempt(lambda: self._ask(token, f"keys/{self._key}", None), _ERRORS, _code)
        )
        return kek_id == f"{self._name}#v{answer['data']['latest_version']}"

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Have Vault encrypt the key."""
        token = self._token()
        answer = self._answered(
            attempt(
                lambda: self._ask(
                    token,
                    f"encrypt/{self._key}",
                    {"plaintext": _base64(secret.reveal()), **_data(binding)},
                ),
                _ERRORS,
                _code,
            )
        )
        blob = str(answer["data"]["ciphertext"])
        match = _BLOB.fullmatch(blob)
        if match is None:
            raise unavailable(self._name, Failure("answer", "no ciphertext of Vault's form"))
        return Wrapped(f"{self._name}#v{match[1]}", blob.encode())

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Have Vault decrypt the key."""
        blob = wrapped.blob.decode("latin-1")
        match = _BLOB.fullmatch(blob)
        if match is None or wrapped.kek_id != f"{self._name}#v{match[1]}":
            raise tampered(binding.id)
        token = self._token()
        answer = attempt(
            lambda: self._decrypted(token, {"ciphertext": blob, **_data(binding)}), _ERRORS, _code
        )
        if isinstance(answer, Failure):
            # 400 is also Vault's answer to a ciphertext that it did not make.
            if answer.kind == _BAD_REQUEST and any(each in answer.text for each in _DOES_NOT_OPEN):
                raise tampered(binding.id)
            raise unavailable(self._name, answer)
        return whole(answer, binding.id)

    def _decrypted(self, token: Secret, request: Mapping[str, object]) -> Secret:
        answer = self._ask(token, f"decrypt/{self._key}", request)
        return Secret(base64.b64decode(answer["data"]["plaintext"], validate=True))

    def _answered(self, answer: "Mapping[str, Any] | Failure") -> Mapping[str, Any]:
        if isinstance(answer, Failure):
            raise unavailable(self._name, answer)
        return answer

    def _ask(
        self, token: Secret, path: str, request: Mapping[str, object] | None
    ) -> Mapping[str, Any]:
        headers = {"X-Vault-Token": token.reveal().decode(), "X-Vault-Request": "true"}
        if self._access.namespace:
            headers["X-Vault-Namespace"] = self._access.namespace
        body = None if request is None else json.dumps(request).encode()
        asked = Request(f"{self._base}/{path}", data=body, headers=headers)  # noqa: S310  http or https
        with self._opener.open(asked, timeout=TIMEOUT_S) as response:
            answer: Mapping[str, Any] = json.loads(response.read(_MOST_ANSWER_BYTES))
        return answer

    def _token(self) -> Secret:
        if not self._access.token_file:
            if not self._access.token:
                raise KeyUnavailableError(
                    "no token for Vault: set VAULT_TOKEN or GNOMON_VAULT_TOKEN_FILE"
                )
            return Secret(self._access.token.encode())
        try:
            return Secret(Path(self._access.token_file).read_bytes().strip())
        except OSError as error:
            raise KeyUnavailableError(
                f"GNOMON_VAULT_TOKEN_FILE: cannot read {self._access.token_file}: {error.strerror}"
            ) from error


_ERRORS: Final = (OSError, HTTPException, ValueError, KeyError, TypeError, binascii.Error)


def _code(error: Exception) -> str:
    if not isinstance(error, HTTPError):
        return type(error).__name__
    try:
        said = "; ".join(map(str, json.loads(error.read(_MOST_ANSWER_BYTES))["errors"]))
    except (OSError, ValueError, KeyError, TypeError):
        said = ""
    error.msg = said or error.msg
    return str(error.code)


def _data(binding: Binding) -> dict[str, str]:
    return {"associated_data": _base64(binding.encoded())}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _context(cacert: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cacert or None)
    except OSError as error:
        raise ConfigurationError(f"VAULT_CACERT: cannot use {cacert}: {error}") from error

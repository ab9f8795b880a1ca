"""The key-encryption key, from a file or the environment, and the data keys that it wraps.

A missing or malformed key is always an error: a new key, made silently, could not open what was
sealed before. Functions never raise while a variable holds raw key bytes, because error reports
show local variables.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.settings import Settings
from gnomon.vault import envelope
from gnomon.vault.envelope import DataKey, Random
from gnomon.vault.files import read_private, write_private

_WRAPPED_BYTES = envelope.NONCE_BYTES + envelope.KEY_BYTES + envelope.TAG_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A data-encryption key as it is stored: wrapped by the key-encryption key.

    Attributes:
        kid: Id of the data-encryption key, 32 hex digits.
        scope: Team or tenant whose records it seals.
        wrapped: Nonce, encrypted key and tag, 60 bytes.
        commitment: 32 bytes derived from the key, checked when it is unwrapped.
        kek_id: Id of the key-encryption key that wraps it.
        state: ``active``: records sealed with it may be opened.
        created_at_ms: When it was made, epoch milliseconds.
    """

    kid: str
    scope: str
    wrapped: bytes
    commitment: bytes
    kek_id: str
    state: str
    created_at_ms: int


class KeyRows(Protocol):
    """Storage of wrapped keys, beside the records that they seal."""

    def put(self, row: KeyRow) -> None:
        """Store a new row; it is on disk when this returns."""

    def get(self, kid: str) -> KeyRow | None:
        """Return the row of one key, or ``None``."""


class KeyEncryptionKey:
    """Wraps data-encryption keys, never data. It keeps no key bytes that Python could print.

    Attributes:
        id: Identifier derived from the key, which does not reveal the key.
    """

    __slots__ = ("_cipher", "id")

    def __init__(self, secret: bytes) -> None:
        self._cipher = envelope.cipher(secret)
        self.id = envelope.expand(secret, about=b"gnomon/kek-id/v1", length=16).hex()

    def __repr__(self) -> str:
        return f"KeyEncryptionKey({self.id})"

    def new_key(
        self, *, scope: str, created_at_ms: int, random: Random = os.urandom
    ) -> tuple[DataKey, KeyRow]:
        """Make a data-encryption key, and its row, which must be stored before the key is used."""
        secret = random(envelope.KEY_BYTES)
        nonce = random(envelope.NONCE_BYTES)
        key = DataKey(secret)
        row = KeyRow(
            kid=key.id.hex(),
            scope=scope,
            wrapped=nonce + self._cipher.encrypt(nonce, secret, _binding(key.id.hex(), scope)),
            commitment=key.commitment,
            kek_id=self.id,
            state="active",
            created_at_ms=created_at_ms,
        )
        return key, row

    def unwrap(self, row: KeyRow) -> DataKey:
        """Decrypt the data-encryption key of ``row``.

        Raises:
            UnreadableError: ``unknown_key`` if another key-encryption key wraps it, ``tampered``
                if the row was changed.
        """
        if row.kek_id != self.id:
            raise UnreadableError(
                "unknown_key", f"key {row.kid} is wrapped by {row.kek_id}, not by {self.id}"
            )
        key = self._unwrapped(row)
        if key is None or key.id.hex() != row.kid or key.commitment != row.commitment:
            raise UnreadableError("tampered", f"the row of key {row.kid} was changed")
        return key

    def _unwrapped(self, row: KeyRow) -> DataKey | None:
        if len(row.wrapped) != _WRAPPED_BYTES:
            return None
        nonce, wrapped = row.wrapped[: envelope.NONCE_BYTES], row.wrapped[envelope.NONCE_BYTES :]
        try:
            return DataKey(self._cipher.decrypt(nonce, wrapped, _binding(row.kid, row.scope)))
        except InvalidTag:
            return None


def _binding(kid: str, scope: str) -> bytes:
    """Return the associated data of a wrapped key, so that no row can replace another."""
    return envelope.length_prefixed(b"gnomon-dek-v1", kid.encode(), scope.encode())


def load_key(settings: Settings) -> KeyEncryptionKey:
    """Return the key-encryption key of ``settings.key``, or else of ``settings.key_file``.

    Raises:
        KeyUnavailableError: There is no key, it is malformed, or others may read the file.
    """
    if settings.key:
        key = _parsed(settings.key.encode())
        if key is None:
            raise KeyUnavailableError("GNOMON_KEY is not the base64 of 32 bytes")
        return key
    return _load_file(Path(settings.key_file))


def create_key_file(path: Path) -> KeyEncryptionKey:
    """Write a new random key to ``path``, readable by its owner only.

    Raises:
        KeyUnavailableError: The file exists (it is not changed) or cannot be written.
    """
    write_private(path, lambda: base64.b64encode(os.urandom(envelope.KEY_BYTES)) + b"\n")
    return _load_file(path)


def _load_file(path: Path) -> KeyEncryptionKey:
    return read_private(
        path,
        _parsed,
        missing=f"no key: GNOMON_KEY is not set and {path} does not exist."
        " Make one with: gnomon keys init",
        expected="a key file (one line, the base64 of 32 bytes); restore it from a backup",
    )


def _parsed(text: bytes) -> KeyEncryptionKey | None:
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return None
    return KeyEncryptionKey(secret) if len(secret) == envelope.KEY_BYTES else None

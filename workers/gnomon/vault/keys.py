"""Keys that wrap keys, and the data keys that they wrap.

A data key is wrapped by a key of its scope, and that by the key-encryption key of a provider. Rows
of an earlier gnomon have a data key wrapped by the key-encryption key itself: both are a
``KeyEncryptionKey`` here. Functions never raise while a variable holds raw key bytes, because error
reports show local variables.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag

from gnomon.errors import UnreadableError
from gnomon.vault import envelope
from gnomon.vault.envelope import DataKey, Random
from gnomon.vault.wrapping import Binding, Secret, Wrapped

if TYPE_CHECKING:
    from gnomon.vault.scopes import ScopeKeyRows

_WRAPPED_BYTES = envelope.NONCE_BYTES + envelope.KEY_BYTES + envelope.TAG_BYTES
_DATA_KEY = "gnomon-dek-v1"

ACTIVE = "active"
SHREDDED = "shredded"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A data-encryption key as it is stored: wrapped by a key of its scope.

    Attributes:
        kid: Id of the data-encryption key, 32 hex digits.
        scope: Team, tenant or agent whose records it seals.
        wrapped: Nonce, encrypted key and tag, 60 bytes; empty once it was shredded.
        commitment: 32 bytes derived from the key, checked when it is unwrapped.
        kek_id: Id of the key that wraps it: a scope key, or the provider's in rows of an earlier gnomon.
        state: ``active``: records sealed with it may be opened. ``shredded``: never again.
        created_at_ms: When it was made, epoch milliseconds.
        made_under: Scope key that wrapped it when it was made; a rewrap does not change this. Empty
            in rows of an earlier gnomon.
    """

    kid: str
    scope: str
    wrapped: bytes
    commitment: bytes
    kek_id: str
    state: str
    created_at_ms: int
    made_under: str = ""


class KeyRows(Protocol):
    """Storage of wrapped keys, beside the records that they seal."""

    @property
    def scopes(self) -> "ScopeKeyRows":
        """Storage of scope keys in the same place."""
        ...

    def put(self, row: KeyRow) -> None:
        """Store a new row; it is on disk when this returns."""

    def get(self, kid: str) -> KeyRow | None:
        """Return the row of one key, or ``None``."""

    def shredded_among(self, key_ids: Collection[str]) -> Collection[str]:
        """Return those of the keys that were shredded."""
        ...


class Unwraps(Protocol):
    """What unwraps a key: a key-encryption key, or a provider."""

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Return what was wrapped; raise ``UnreadableError`` if it was changed or is of another key."""
        ...


class KeyEncryptionKey:
    """Wraps keys, never data. It keeps no key bytes that Python could print.

    Args:
        secret: 32 bytes.
        id: Its identifier; by default one derived from the key, which does not reveal the key.
    """

    __slots__ = ("_cipher", "id")

    def __init__(self, secret: bytes, *, id: str = "") -> None:  # noqa: A002  what it is
        self._cipher = envelope.cipher(secret)
        self.id = id or envelope.expand(secret, about=b"gnomon/kek-id/v1", length=16).hex()

    def __repr__(self) -> str:
        return f"KeyEncryptionKey({self.id})"

    @property
    def name(self) -> str:
        """A key in memory has no place, so its id names it."""
        return self.id

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is this key."""
        return kek_id == self.id

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is this key."""
        return kek_id == self.id

    def new_key(
        self, *, scope: str, created_at_ms: int, random: Random = os.urandom
    ) -> tuple[DataKey, KeyRow]:
        """Make a data-encryption key, and its row, which must be stored before the key is used."""
        secret = Secret(random(envelope.KEY_BYTES))
        key = DataKey(secret.reveal())
        kid = key.id.hex()
        row = KeyRow(
            kid=kid,
            scope=scope,
            wrapped=self.wrap(secret, Binding(_DATA_KEY, kid, scope), random=random).blob,
            commitment=key.commitment,
            kek_id=self.id,
            state=ACTIVE,
            created_at_ms=created_at_ms,
            made_under=self.id,
        )
        return key, row

    def wrap(self, secret: Secret, binding: Binding, *, random: Random = os.urandom) -> Wrapped:
        """Wrap 32 bytes: nonce, ciphertext and tag."""
        nonce = random(envelope.NONCE_BYTES)
        return Wrapped(
            self.id, nonce + self._cipher.encrypt(nonce, secret.reveal(), binding.encoded())
        )

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Return what ``wrap`` wrapped.

        Raises:
            UnreadableError: ``unknown_key`` or ``tampered``.
        """
        if wrapped.kek_id != self.id:
            raise UnreadableError(
                "unknown_key", f"key {binding.id} is wrapped by {wrapped.kek_id}, not by {self.id}"
            )
        secret = self._unwrapped(wrapped.blob, binding)
        if secret is None:
            raise UnreadableError("tampered", f"the row of key {binding.id} was changed")
        return secret

    def _unwrapped(self, blob: bytes, binding: Binding) -> Secret | None:
        if len(blob) != _WRAPPED_BYTES:
            return None
        nonce, wrapped = blob[: envelope.NONCE_BYTES], blob[envelope.NONCE_BYTES :]
        try:
            return Secret(self._cipher.decrypt(nonce, wrapped, binding.encoded()))
        except InvalidTag:
            return None


def unwrap_data_key(wrapper: Unwraps, row: KeyRow) -> DataKey:
    """Decrypt the data-encryption key of ``row``.

    Args:
        wrapper: The key that wraps it: a scope key, or in rows of an earlier gnomon the provider's.
        row: The row.

    Raises:
        UnreadableError: ``shredded``; ``unknown_key`` if another key wraps it; ``tampered`` if the
            row was changed.
    """
    key = DataKey(_secret_of(wrapper, row).reveal())
    if key.id.hex() != row.kid or key.commitment != row.commitment:
        raise UnreadableError("tampered", f"the row of key {row.kid} was changed")
    return key


def rewrap_data_key(wrapper: Unwraps, row: KeyRow, *, by: KeyEncryptionKey) -> KeyRow:
    """Return ``row`` with its data key wrapped by another scope key; records are not touched.

    Raises:
        UnreadableError: As ``unwrap_data_key`` does.
    """
    unwrap_data_key(wrapper, row)
    secret = _secret_of(wrapper, row)
    wrapped = by.wrap(secret, Binding(_DATA_KEY, row.kid, row.scope))
    return replace(row, wrapped=wrapped.blob, kek_id=by.id)


def _secret_of(wrapper: Unwraps, row: KeyRow) -> Secret:
    if row.state == SHREDDED:
        raise UnreadableError("shredded", f"key {row.kid} of scope {row.scope!r} was destroyed")
    return wrapper.unwrap(Wrapped(row.kek_id, row.wrapped), Binding(_DATA_KEY, row.kid, row.scope))

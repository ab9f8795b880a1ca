"""Scopes and their keys: what one tenant or agent has sealed can be destroyed by itself.

The key-encryption key of a provider wraps a key for each scope, and that wraps the data keys of the
scope. To destroy a scope's keys (shredding) makes all its records unreadable and touches no other.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Literal, NamedTuple, Protocol

from gnomon.errors import KeyProviderUnavailableError, KeyUnavailableError, UnreadableError
from gnomon.vault import envelope
from gnomon.vault.envelope import Random
from gnomon.vault.keys import ACTIVE, SHREDDED, KeyEncryptionKey
from gnomon.vault.wrapping import Binding, KeyProvider, Secret, Wrapped

DEFAULT: Final = "default"
"""Scope of records that have no other."""
RETIRED: Final = "retired"
ScopeBy = Literal["none", "tenant", "agent"]

_PURPOSE: Final = "gnomon-scope-key-v1"
_COMMITMENT: Final = b"gnomon/scope-key-commitment/v1"
FRESH_MS: Final = 3_600_000
"""How long an unwrapped scope key is used without a look at its row and its provider."""
HARD_MS: Final = 2 * FRESH_MS
"""How long it is used if the provider does not answer."""
_MOST_KEPT: Final = 10_000


def scope_of(scope_by: ScopeBy, *, tenant: str | None, agent_id: str) -> str:
    """Return the scope of a record of ``tenant`` and ``agent_id``."""
    if scope_by == "agent":
        return f"agent:{agent_id}"
    return f"tenant:{tenant}" if scope_by == "tenant" and tenant else DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeKeyRow:
    """A scope key as it is stored: wrapped by the key-encryption key of a provider.

    Attributes:
        id: 32 random hex digits.
        scope: The scope.
        generation: 1 for the first key of the scope; the highest one wraps data keys.
        wrapped: The key, in the provider's own form; empty once it was shredded.
        commitment: 32 bytes derived from the key, its id and its scope.
        kek_id: Key-encryption key that wraps it.
        state: ``active``, ``retired`` (it only unwraps) or ``shredded``.
        created_at_ms: When it was made, epoch milliseconds.
    """

    id: str
    scope: str
    generation: int
    wrapped: bytes
    commitment: bytes
    kek_id: str
    state: str
    created_at_ms: int


class ScopeKeyRows(Protocol):
    """Storage of wrapped scope keys."""

    def newest(self, scope: str) -> ScopeKeyRow | None:
        """Return the row with the highest generation of ``scope``, or ``None``."""
        ...

    def find(self, key_id: str) -> ScopeKeyRow | None:
        """Return one row, or ``None``."""
        ...

    def add(self, row: ScopeKeyRow) -> bool:
        """Store a new row and retire those before it; on disk when this returns.

        Returns:
            Whether it was stored: not if the scope has a row of this generation.
        """
        ...

    def shredded_among(self, key_ids: Collection[str]) -> Collection[str]:
        """Return those of the keys that were shredded."""
        ...

    def keep(self, rows: Sequence[ScopeKeyRow]) -> Collection[str]:
        """Store those of ``rows`` that are missing, because the database was restored.

        Returns:
            The ids of those that were shredded; they stay so.
        """
        ...


def new_scope_key(
    provider: KeyProvider,
    *,
    scope: str,
    generation: int,
    created_at_ms: int,
    random: Random = os.urandom,
) -> ScopeKeyRow:
    """Make a key for ``scope``; its row must be stored before the key wraps anything.

    Raises:
        KeyProviderUnavailableError: The provider does not wrap it.
    """
    key_id = random(16).hex()
    secret = Secret(random(envelope.KEY_BYTES))
    commitment = _commitment(secret, key_id, scope)
    wrapped = provider.wrap(secret, Binding(_PURPOSE, key_id, scope))
    return ScopeKeyRow(
        id=key_id,
        scope=scope,
        generation=generation,
        wrapped=wrapped.blob,
        commitment=commitment,
        kek_id=wrapped.kek_id,
        state=ACTIVE,
        created_at_ms=created_at_ms,
    )


def unwrap_scope_key(provider: KeyProvider, row: ScopeKeyRow) -> KeyEncryptionKey:
    """Return the key of ``row``.

    Raises:
        UnreadableError: ``shredded``, ``unknown_key`` or ``tampered``.
        KeyProviderUnavailableError: The provider does not unwrap it.
    """
    return KeyEncryptionKey(_secret_of(provider, row).reveal(), id=row.id)


def rewrap_scope_key(provider: KeyProvider, row: ScopeKeyRow) -> Wrapped:
    """Return the same scope key, wrapped by the key that the provider wraps with now.

    Raises:
        UnreadableError: ``shredded``, ``unknown_key`` or ``tampered``.
        KeyProviderUnavailableError: The provider does not answer.
    """
    return provider.wrap(_secret_of(provider, row), Binding(_PURPOSE, row.id, row.scope))


def _secret_of(provider: KeyProvider, row: ScopeKeyRow) -> Secret:
    if row.state == SHREDDED:
        raise UnreadableError("shredded", f"the key of scope {row.scope!r} was destroyed")
    binding = Binding(_PURPOSE, row.id, row.scope)
    secret = provider.unwrap(Wrapped(row.kek_id, row.wrapped), binding)
    if not compare_digest(_commitment(secret, row.id, row.scope), row.commitment):
        raise UnreadableError("tampered", f"the row of scope key {row.id} was changed")
    return secret


def _commitment(secret: Secret, key_id: str, scope: str) -> bytes:
    about = _COMMITMENT + envelope.length_prefixed(key_id.encode(), scope.encode())
    return envelope.expand(secret.reveal(), about=about, length=32)


class _Kept(NamedTuple):
    key: KeyEncryptionKey
    row: ScopeKeyRow
    since_ms: int


class ScopeKeys:
    """Unwrapped scope keys of one process.

    Args:
        provider: Wraps and unwraps them.
        rows: Where they are stored.
        random: Source of keys and nonces.
    """

    def __init__(
        self, provider: KeyProvider, rows: ScopeKeyRows, *, random: Random = os.urandom
    ) -> None:
        self._provider, self._rows, self._random = provider, rows, random
        self._kept: dict[str, _Kept] = {}

    def sealing(self, scope: str, *, now_ms: int) -> KeyEncryptionKey:
        """Return the key that wraps new data keys of ``scope``; make it if there is none.

        Raises:
            KeyProviderUnavailableError: The provider does not answer, and the key was not used lately.
            StoreUnavailableError: Its row cannot be read or stored.
            KeyUnavailableError: Its row was changed, or is of another provider.
        """
        row = self._rows.newest(scope)
        while row is None or row.state == SHREDDED:
            made = new_scope_key(
                self._provider,
                scope=scope,
                generation=1 if row is None else row.generation + 1,
                created_at_ms=now_ms,
                random=self._random,
            )
            # Another process may have been faster: then its key is used.
            row = made if self._rows.add(made) else self._rows.newest(scope)
        try:
            return self._unwrapped(row, now_ms)
        except UnreadableError as error:
            raise KeyUnavailableError(
                f"this key does not open this store: the key of scope {scope!r} ({error})"
            ) from error

    def find(self, key_id: str, *, now_ms: int) -> KeyEncryptionKey | None:
        """Return the key with this id, or ``None`` if there is no row of it.

        Raises:
            KeyProviderUnavailableError: The provider does not answer.
            StoreUnavailableError: Its row cannot be read.
            UnreadableError: ``shredded``, ``unknown_key`` or ``tampered``.
        """
        kept = self._kept.get(key_id)
        if kept is not None and 0 <= now_ms - kept.since_ms < FRESH_MS:
            return kept.key
        row = self._rows.find(key_id)
        return None if row is None else self._unwrapped(row, now_ms)

    def keep(self, key_ids: Collection[str]) -> Collection[str]:
        """Store the rows of these keys again where they are missing; return the ids that were shredded.

        Raises:
            StoreUnavailableError: The rows cannot be read or stored.
        """
        kept = [self._kept[key_id].row for key_id in key_ids if key_id in self._kept]
        return self._rows.keep(kept)

    def destroyed(self) -> Collection[str]:
        """Return the ids of those unwrapped keys that were shredded meanwhile.

        Raises:
            StoreUnavailableError: Their rows cannot be read.
        """
        return self._rows.shredded_among(list(self._kept))

    def drop(self, key_ids: Iterable[str]) -> None:
        """Drop some unwrapped keys."""
        for key_id in key_ids:
            self._kept.pop(key_id, None)

    def forget(self) -> None:
        """Drop every unwrapped key."""
        self._kept.clear()

    def _unwrapped(self, row: ScopeKeyRow, now_ms: int) -> KeyEncryptionKey:
        kept = self._kept.get(row.id)
        age_ms = HARD_MS if kept is None else now_ms - kept.since_ms
        if row.state == SHREDDED:
            self._kept.pop(row.id, None)
        elif kept is not None and 0 <= age_ms < FRESH_MS:
            return kept.key
        try:
            key = unwrap_scope_key(self._provider, row)
        except KeyProviderUnavailableError:
            if kept is None or not 0 <= age_ms < HARD_MS:
                raise
            return kept.key
        if len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[row.id] = _Kept(key, row, now_ms)
        return key

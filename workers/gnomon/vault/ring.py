"""Chooses the data-encryption key that seals the next record or opens a given one."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from gnomon.errors import KeyDestroyedError, TransientError, UnreadableError
from gnomon.vault import envelope
from gnomon.vault.envelope import (
    DataKey,
    Random,
    associated_bytes,
    associated_bytes_of,
)
from gnomon.vault.keys import KeyRow, KeyRows
from gnomon.vault.limits import DEFAULT_LIMITS, Limits, Sealing
from gnomon.vault.opening import Opening, OpeningKeys
from gnomon.vault.scopes import DEFAULT, HARD_MS, ScopeKeyRows, ScopeKeys
from gnomon.vault.wrapping import KeyProvider

CHECKED_EVERY_MS: Final = 60_000
"""How long unwrapped keys are used before a look whether any of them was destroyed."""
_SEALING_SCOPES = 10_000
"""Most scopes whose sealing keys a ring keeps, 20 MB. The oldest gives way: its scope gets another."""
_OWN_ROWS = 20_000
"""Most rows of sealing keys that a ring keeps: more than a batch has records."""


Clock = Callable[[], int]
"""Returns the time in epoch milliseconds."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class KeyRing:
    """Seals with keys of this process only, one for each scope, and opens with any key.

    A key that was loaded from ``rows`` is used for opening only, so that two processes never use
    nonces of the same key. A forked child makes keys of its own. Thread-safe.

    Unwrapped keys are kept for an hour. Once a minute, before it uses one, a ring looks whether any of
    them was destroyed meanwhile, and then drops it. While the rows cannot be read, it goes on.

    Args:
        provider: Has the key-encryption key, which wraps the scope keys.
        rows: Storage of wrapped data keys. A key's row is stored before the key seals a record.
        scopes: Storage of wrapped scope keys.
        store: Name of the store; part of the associated data of each record.
        scope: Scope of records that name none, and the only one that is opened; by default
            ``default``, and all are opened.
        limits: When a new data key is made.
        clock_ms: Clock for a key's age. If it goes backwards, a new key is made.
        random: Source of keys and nonces.

    Attributes:
        drops: How often keys were dropped because some were destroyed: what holds a key of this ring
            should then ask for it again.
    """

    def __init__(
        self,
        provider: KeyProvider,
        rows: KeyRows,
        *,
        scopes: ScopeKeyRows | None = None,
        store: str = "decisions",
        scope: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        clock_ms: Clock = _now_ms,
        random: Random = os.urandom,
    ) -> None:
        self._provider, self._rows = provider, rows
        self._scope_keys = ScopeKeys(provider, scopes or rows.scopes, random=random)
        self._store, self._scope, self._only = store, scope or DEFAULT, scope
        self._limits, self._clock_ms, self._random = limits, clock_ms, random
        self._checked_ms = clock_ms()
        self._opening = OpeningKeys(
            provider, rows, self._scope_keys, only=scope, since_ms=self._checked_ms
        )
        self._own: dict[str, KeyRow] = {}
        self._sealing: dict[str, Sealing] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.drops = 0
        self._there_ms: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"KeyRing({self._provider!r}, scope={self._scope!r})"

    @property
    def provider(self) -> KeyProvider:
        """Whoever has the key-encryption key."""
        return self._provider

    def seal(
        self, plain: bytes, *, record_id: str, schema: str, scope: str | None = None
    ) -> tuple[str, bytes]:
        """Encrypt ``plain``, bound to a record id, a schema and a scope.

        Returns:
            The id of the key, 32 hex digits, and the sealed bytes.

        Raises:
            StoreUnavailableError: A new key is needed and its row cannot be stored.
            KeyProviderUnavailableError: A new key is needed and its scope key cannot be unwrapped.
            KeyUnavailableError: The scope key is of another provider, or was changed.
            ValueError: ``record_id`` or ``schema`` is longer than 65,535 bytes.
        """
        scope = scope or self._scope
        sealing = self._sealing_key(scope, len(plain))
        associated_data = associated_bytes(self._store, scope, record_id, schema)
        return sealing.kid, sealing.key.seal(plain, associated_data, random=self._random)

    def seal_all(
        self,
        plains: Sequence[bytes],
        *,
        record_ids: Sequence[str],
        schema: str,
        scope: str | None = None,
    ) -> list[tuple[str, bytes]]:
        """Encrypt records of one scope, as ``seal`` does, in half the time.

        Returns:
            The id of the key, 32 hex digits, and the sealed bytes of each.

        Raises:
            StoreUnavailableError: A new key is needed and its row cannot be stored.
            KeyProviderUnavailableError: A new key is needed and its scope key cannot be unwrapped.
            KeyUnavailableError: The scope key is of another provider, or was changed.
            ValueError: A record id or ``schema`` is longer than 65,535 bytes.
        """
        scope, size = scope or self._scope, sum(map(len, plains))
        if len(plains) > self._limits.messages or size > self._limits.plain_bytes:
            one_by_one = zip(plains, record_ids, strict=True)
            return [
                self.seal(plain, record_id=name, schema=schema, scope=scope)
                for plain, name in one_by_one
            ]
        associated_data = associated_bytes_of(self._store, scope, record_ids, schema)
        sealing = self._sealing_key(scope, size, messages=len(plains))
        sealed = sealing.key.seal_all(plains, associated_data, random=self._random)
        return [(sealing.kid, each) for each in sealed]

    def new_index_key(self, scope: str | None = None) -> DataKey:
        """Make a key of ``scope`` that hashes and never seals; its row is stored when this returns.

        Raises:
            StoreUnavailableError: Its row cannot be stored.
            KeyProviderUnavailableError: Its scope key cannot be unwrapped.
        """
        with self._lock:
            return self._made(scope or self._scope, self._clock_ms())

    def index_key(self, kid: str) -> DataKey:
        """Return the key with the id ``kid``, to hash with it.

        Raises:
            UnreadableError: ``unknown_key``, ``tampered`` or ``shredded``.
            StoreUnavailableError: Its row cannot be read for now.
            KeyProviderUnavailableError: Its scope key cannot be unwrapped.
        """
        found = self._load(bytes.fromhex(kid), self._clock_ms())
        if found.key is None:
            raise UnreadableError("shredded", found.refused)
        return found.key

    def rows_of(self, key_ids: Iterable[str], *, looked_ms: int = 0) -> list[KeyRow]:
        """Return the rows of keys with which this process has sealed.

        They belong into the transaction that stores the sealed records: the database may have been
        restored, or a replica promoted, since a row was stored. Rows of their scope keys that are
        missing for that reason are stored here.

        Args:
            key_ids: Ids of the keys.
            looked_ms: Do not look at rows of scope keys that were there so short a time ago.

        Raises:
            KeyError: This ring has not made such a key lately.
            KeyDestroyedError: Their scope was shredded: what they have sealed could never be read.
            StoreUnavailableError: The rows of scope keys cannot be read or stored.
        """
        with self._lock:
            rows = [self._own[kid] for kid in sorted(set(key_ids))]
        now_ms, scopes = self._clock_ms(), {row.made_under for row in rows}
        if all(0 <= now_ms - self._there_ms.get(each, -HARD_MS) < looked_ms for each in scopes):
            return rows
        destroyed = self._scope_keys.keep(scopes)
        self._there_ms = dict.fromkeys(scopes - {*destroyed}, now_ms)
        if destroyed:
            raise KeyDestroyedError([row.kid for row in rows if row.made_under in destroyed])
        return rows

    def newest_ms(self, key_ids: Iterable[str]) -> int:
        """Return when the newest of these keys was made, epoch milliseconds; 0 if this ring has made none lately."""
        with self._lock:
            rows = [self._own.get(kid) for kid in key_ids]
        return max((row.created_at_ms for row in rows if row is not None), default=0)

    def open(
        self, sealed: bytes, *, record_id: str, schema: str, scope: str | None = None
    ) -> bytes:
        """Decrypt a record that a ring of the same store sealed for this id, schema and scope.

        Args:
            sealed: The record.
            record_id: Key of its row.
            schema: Name and version of the plaintext's schema.
            scope: Scope that its row names; by default the scope of its key.

        Raises:
            UnreadableError: ``unknown_key``, ``tampered``, ``bad_header`` or ``shredded``.
            StoreUnavailableError: The row of the key cannot be read for now.
            KeyProviderUnavailableError: The key cannot be unwrapped for now.
        """
        kid = envelope.key_id(sealed)
        opening = self._opening_key(kid)
        wanted = self._only if scope is None else scope
        if wanted is not None and wanted != opening.scope:
            raise UnreadableError("unknown_key", f"no key {kid.hex()} in scope {wanted!r}")
        if opening.key is None:
            raise UnreadableError("shredded", opening.refused)
        try:
            associated_data = associated_bytes(self._store, opening.scope, record_id, schema)
        except ValueError:
            raise UnreadableError("tampered", envelope.NO_SUCH_ROW) from None
        return opening.key.open(sealed, associated_data)

    def forget(self, key_ids: Iterable[str] = ()) -> None:
        """Drop unwrapped keys, so that the next use looks at their rows again.

        Args:
            key_ids: Sealing keys to drop, because they were shredded; keys that open are all dropped.
        """
        with self._lock:
            self._scope_keys.forget()
            self._drop(set(key_ids))

    def _drop(self, key_ids: Collection[str]) -> None:
        self.drops += 1
        self._opening.clear()
        for scope, sealing in list(self._sealing.items()):
            if sealing.kid in key_ids:
                del self._sealing[scope]

    def _sealing_key(self, scope: str, size: int, *, messages: int = 1) -> Sealing:
        if os.getpid() != self._pid:
            self._leave_parent()
        with self._lock:
            now_ms = self._clock_ms()
            if 0 <= now_ms - self._checked_ms < CHECKED_EVERY_MS:
                return self._counted(scope, size, messages, now_ms)
        self._drop_destroyed(now_ms)
        with self._lock:
            return self._counted(scope, size, messages, now_ms)

    def _counted(self, scope: str, size: int, messages: int, now_ms: int) -> Sealing:
        current = self._sealing.get(scope)
        if current is None or current.is_spent(self._limits, size, messages, now_ms):
            current = self._new_key(scope, now_ms)
        current.messages += messages
        current.plain_bytes += size
        return current

    def _leave_parent(self) -> None:
        """Drop the parent's sealing keys and lock: a thread that was not forked may hold the lock."""
        self._sealing, self._own = {}, {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _new_key(self, scope: str, now_ms: int) -> Sealing:
        key = self._made(scope, now_ms)
        self._sealing.pop(scope, None)
        sealing = self._sealing[scope] = Sealing(key, key.id.hex(), since_ms=now_ms)
        if len(self._sealing) > _SEALING_SCOPES:
            del self._sealing[next(iter(self._sealing))]
        return sealing

    def _made(self, scope: str, now_ms: int) -> DataKey:
        """Make a data key and store its row."""
        scope_key = self._scope_keys.sealing(scope, now_ms=now_ms)
        key, row = scope_key.new_key(scope=scope, created_at_ms=now_ms, random=self._random)
        self._rows.put(row)
        self._own[row.kid] = row
        if len(self._own) > _OWN_ROWS:
            del self._own[next(iter(self._own))]
        return key

    def _opening_key(self, kid: bytes) -> Opening:
        now_ms = self._clock_ms()
        if not 0 <= now_ms - self._checked_ms < CHECKED_EVERY_MS:
            self._drop_destroyed(now_ms)
        return self._opening.find(kid, now_ms) or self._load(kid, now_ms)

    def _load(self, kid: bytes, now_ms: int) -> Opening:
        opening = self._opening.load(kid, now_ms)
        with self._lock:
            self._opening.keep(kid, opening)
        return opening

    def _drop_destroyed(self, now_ms: int) -> None:
        """Drop keys that were destroyed since the last look."""
        self._checked_ms = now_ms
        sealing = {each.kid: self._own.get(each.kid) for each in list(self._sealing.values())}
        try:
            scopes = self._scope_keys.destroyed()
            gone = set(self._rows.shredded_among({*self._opening.ids(), *sealing}))
        except TransientError:
            return
        gone |= {
            kid for kid, row in sealing.items() if row is not None and row.made_under in scopes
        }
        if gone or scopes:
            with self._lock:
                self._scope_keys.drop(scopes)
                self._drop(gone)

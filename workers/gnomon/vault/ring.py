"""Chooses the data-encryption key that seals the next record or opens a given one."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gnomon.errors import UnreadableError
from gnomon.vault import envelope
from gnomon.vault.envelope import AssociatedData, DataKey, Random
from gnomon.vault.keys import KeyEncryptionKey, KeyRow, KeyRows

_OPENING_KEYS = 1_000
"""Most unwrapped keys that a ring keeps for opening: six weeks of one process."""
_OWN_ROWS = 8
"""Most rows of sealing keys that a ring keeps: a batch may be sealed with the last two or three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of use of one data-encryption key, after which a new one is made.

    Random nonces collide with a probability of about n²/2⁹⁷ after n messages: 2⁻⁵³ for n = 2²².

    Attributes:
        messages: Most records sealed.
        plain_bytes: Most bytes of plaintext sealed.
        age_ms: Longest use.
    """

    messages: int = 1 << 22
    plain_bytes: int = 64 << 30
    age_ms: int = 3_600_000


DEFAULT_LIMITS = Limits()

Clock = Callable[[], int]
"""Returns the time in epoch milliseconds."""


@dataclass(slots=True)
class _Sealing:
    """The key that seals, and how much it has sealed so far."""

    key: DataKey
    since_ms: int
    messages: int = 0
    plain_bytes: int = 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class KeyRing:
    """Seals with a key of this process only, and opens with any key of its scope.

    A key that was loaded from ``rows`` is used for opening only, so that two processes never use
    nonces of the same key. A forked child makes a key of its own. Thread-safe.

    Args:
        kek: Key-encryption key, which wraps the data keys.
        rows: Storage of wrapped keys. A key's row is stored before the key seals a record.
        store: Name of the store; part of the associated data of each record.
        scope: Team or tenant; part of the associated data of each record and each key.
        limits: When a new key is made.
        clock_ms: Clock for a key's age. If it goes backwards, a new key is made.
        random: Source of keys and nonces.
    """

    def __init__(
        self,
        kek: KeyEncryptionKey,
        rows: KeyRows,
        *,
        store: str = "decisions",
        scope: str = "default",
        limits: Limits = DEFAULT_LIMITS,
        clock_ms: Clock = _now_ms,
        random: Random = os.urandom,
    ) -> None:
        self._kek, self._rows = kek, rows
        self._store, self._scope = store, scope
        self._limits, self._clock_ms, self._random = limits, clock_ms, random
        self._opening: dict[bytes, DataKey] = {}
        self._own: dict[str, KeyRow] = {}
        self._sealing: _Sealing | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"KeyRing({self._kek!r}, scope={self._scope!r})"

    def seal(self, plain: bytes, *, record_id: str, schema: str) -> tuple[str, bytes]:
        """Encrypt ``plain``, bound to a record id and a schema.

        Returns:
            The id of the key, 32 hex digits, and the sealed bytes.

        Raises:
            StoreUnavailableError: A new key is needed and its row cannot be stored.
            ValueError: ``record_id`` or ``schema`` is longer than 65,535 bytes.
        """
        key = self._sealing_key(len(plain))
        associated_data = self._associated_data(record_id, schema)
        return key.id.hex(), key.seal(plain, associated_data, random=self._random)

    def rows_of(self, key_ids: Iterable[str]) -> list[KeyRow]:
        """Return the rows of keys with which this process has sealed.

        They belong into the transaction that stores the sealed records: the database may have been
        restored, or a replica promoted, since a row was stored.

        Raises:
            KeyError: This ring has not made such a key lately.
        """
        with self._lock:
            return [self._own[kid] for kid in sorted(set(key_ids))]

    def open(self, sealed: bytes, *, record_id: str, schema: str) -> bytes:
        """Decrypt a record that a ring of the same store and scope sealed for this id and schema.

        Raises:
            UnreadableError: ``unknown_key``, ``tampered`` or ``bad_header``.
            StoreUnavailableError: The row of the key cannot be read for now.
        """
        kid = envelope.key_id(sealed)
        key = self._opening.get(kid) or self._load(kid)
        return key.open(sealed, self._associated_data(record_id, schema))

    def _associated_data(self, record_id: str, schema: str) -> AssociatedData:
        return AssociatedData(
            store=self._store, scope=self._scope, record_id=record_id, schema=schema
        )

    def _sealing_key(self, size: int) -> DataKey:
        if os.getpid() != self._pid:
            self._leave_parent()
        with self._lock:
            now_ms = self._clock_ms()
            current = self._sealing
            if current is None or self._exhausted(current, size=size, now_ms=now_ms):
                current = self._sealing = _Sealing(self._new_key(now_ms), since_ms=now_ms)
            current.messages += 1
            current.plain_bytes += size
            return current.key

    def _leave_parent(self) -> None:
        """Drop the parent's sealing key and lock: a thread that was not forked may hold the lock."""
        self._sealing, self._own = None, {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _exhausted(self, current: _Sealing, *, size: int, now_ms: int) -> bool:
        return (
            current.messages >= self._limits.messages
            or current.plain_bytes + size > self._limits.plain_bytes
            or not 0 <= now_ms - current.since_ms < self._limits.age_ms
        )

    def _new_key(self, now_ms: int) -> DataKey:
        key, row = self._kek.new_key(scope=self._scope, created_at_ms=now_ms, random=self._random)
        self._rows.put(row)
        self._own[row.kid] = row
        if len(self._own) > _OWN_ROWS:
            del self._own[next(iter(self._own))]
        return key

    def _load(self, kid: bytes) -> DataKey:
        row = self._rows.get(kid.hex())
        if row is None or row.scope != self._scope:
            raise UnreadableError("unknown_key", f"no key {kid.hex()} in scope {self._scope!r}")
        key = self._kek.unwrap(row)
        with self._lock:
            if len(self._opening) >= _OPENING_KEYS:
                self._opening.pop(next(iter(self._opening)))
            self._opening[kid] = key
        return key

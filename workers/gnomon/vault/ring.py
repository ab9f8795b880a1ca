"""Which key seals the next record, and which one opens a given record."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gnomon.errors import UnreadableError
from gnomon.vault import envelope
from gnomon.vault.envelope import AssociatedData, DataKey, Random
from gnomon.vault.keys import KeyEncryptionKey, KeyRows

_OPENING_KEYS = 1_000
"""How many unwrapped keys a ring keeps for opening: six weeks of one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a data-encryption key has sealed enough.

    Random nonces collide with a probability of about n²/2⁹⁷ after n messages: 2⁻⁵³ at 2²².
    """

    messages: int = 1 << 22
    plain_bytes: int = 64 << 30
    age_ms: int = 3_600_000


DEFAULT_LIMITS = Limits()

Clock = Callable[[], int]
"""Gives epoch milliseconds."""


@dataclass(slots=True)
class _Sealing:
    """The key in use, with what it has sealed so far."""

    key: DataKey
    since_ms: int
    messages: int = 0
    plain_bytes: int = 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class KeyRing:
    """Seals with a key of this process alone; opens with any key of its scope.

    A key loaded from ``rows`` only ever opens: no process goes on with another's nonces. A forked
    child starts a key of its own. Safe to use from several threads.

    Args:
        kek: Wraps the keys.
        rows: Where wrapped keys are kept. A key's row is there before the first record it seals.
        store: Name of the store the records are for; bound into each.
        scope: Team or tenant the records are of; bound into each, and into the keys.
        limits: When to start another key.
        clock_ms: Tells a key's age; if it goes backwards, another key starts.
        random: Where keys and nonces come from.
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
        self._sealing: _Sealing | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"KeyRing({self._kek!r}, scope={self._scope!r})"

    def seal(self, plain: bytes, *, record_id: str, schema: str) -> tuple[str, bytes]:
        """Encrypt ``plain`` for one place.

        Returns:
            The id of the key, 32 hex digits, and the sealed bytes.

        Raises:
            StoreUnavailableError: A new key is due and its row cannot be stored.
            ValueError: ``record_id`` or ``schema`` is longer than 65,535 bytes.
        """
        key = self._sealing_key(len(plain))
        return key.id.hex(), key.seal(plain, self._place(record_id, schema), random=self._random)

    def open(self, sealed: bytes, *, record_id: str, schema: str) -> bytes:
        """Decrypt what any ring of the same store and scope sealed for this place.

        Raises:
            UnreadableError: ``unknown_key``, ``tampered`` or ``bad_header``.
            StoreUnavailableError: The key's row cannot be read for now.
        """
        kid = envelope.key_id(sealed)
        key = self._opening.get(kid) or self._load(kid)
        return key.open(sealed, self._place(record_id, schema))

    def _place(self, record_id: str, schema: str) -> AssociatedData:
        return AssociatedData(
            store=self._store, scope=self._scope, record_id=record_id, schema=schema
        )

    def _sealing_key(self, size: int) -> DataKey:
        if os.getpid() != self._pid:
            self._leave_parent()
        with self._lock:
            now_ms = self._clock_ms()
            current = self._sealing
            if current is None or self._spent(current, size=size, now_ms=now_ms):
                current = self._sealing = _Sealing(self._new_key(now_ms), since_ms=now_ms)
            current.messages += 1
            current.plain_bytes += size
            return current.key

    def _leave_parent(self) -> None:
        """Forget the parent's sealing key, and its lock, which a lost thread may hold for ever."""
        self._sealing = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _spent(self, current: _Sealing, *, size: int, now_ms: int) -> bool:
        return (
            current.messages >= self._limits.messages
            or current.plain_bytes + size > self._limits.plain_bytes
            or not 0 <= now_ms - current.since_ms < self._limits.age_ms
        )

    def _new_key(self, now_ms: int) -> DataKey:
        key, row = self._kek.new_key(scope=self._scope, created_at_ms=now_ms, random=self._random)
        self._rows.put(row)
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

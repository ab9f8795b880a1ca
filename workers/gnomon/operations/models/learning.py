"""Trains repeatedly, whenever there are enough new decisions, in one process at a time.

Each training registers a new version. It becomes the challenger if it does at least as well as the
current challenger did on the same tasks (``models.selection``). The champion is never moved. All of
this runs in a process of its own, so a failure here does not affect the workers.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.models.selection import Selection

logger = logging.getLogger(__name__)

LEASE_MS: Final = 120_000
"""Time after which another process may take the lease of a process that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The conditions for a training."""

    every_decisions: int = 200
    every_hours: float = 24.0
    min_decisions: int = 100


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The last training: the number of stored decisions, and its time in epoch milliseconds."""

    stored: int
    at_ms: int


def reason_to_train(
    schedule: Schedule,
    last: Last | None,
    *,
    stored: int,
    now_ms: int,
    drifted: Callable[[int], str | None],
) -> str | None:
    """Return the reason to train now, or ``None``.

    A store with fewer decisions than last time was emptied or replaced, so the training is a first one.

    Args:
        schedule: The conditions.
        last: The last training.
        stored: Number of stored decisions.
        now_ms: Current time, epoch milliseconds.
        drifted: Returns how models have become worse since a time in epoch milliseconds, or ``None``.
            It is called only if nothing else is a reason, because it reads decisions.
    """
    if stored < schedule.min_decisions:
        return None
    if last is None or stored < last.stored:
        return "first training"
    if stored - last.stored >= schedule.every_decisions:
        return f"{stored - last.stored} new decisions"
    if stored == last.stored:
        return None
    if now_ms - last.at_ms >= schedule.every_hours * 3_600_000:
        return f"{(now_ms - last.at_ms) / 3_600_000:.1f} hours since the last training"
    change = drifted(last.at_ms)
    return None if change is None else f"drift: {change}"


class HeldLease(Protocol):
    """A lease in the store; ``store.lease.Lease`` implements it."""

    def acquire(self, *, now_ms: int, for_ms: int) -> bool:
        """Take or prolong the lease; return whether this process holds it."""
        ...

    def release(self, *, now_ms: int, note: str) -> bool:
        """Release the lease and store a note; return whether this process still held it."""
        ...

    def note(self) -> str:
        """Return the note of the last holder."""
        ...


class Learning(Protocol):
    """Performs one training; ``operations.training.Trainer`` implements it. All calls block."""

    def stored(self) -> int:
        """Return the number of stored decisions."""
        ...

    def learn(self, reason: str, still_held: Callable[[], bool]) -> "Learnt":
        """Train and register a version, and make it the challenger if it is good enough."""
        ...

    def drifted(self, since_ms: int) -> str | None:
        """Return how the losses of a live version have risen since ``since_ms``, if they have."""
        ...


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version; ``selection`` is ``None`` if there was no challenger to compare with."""

    version: str
    decisions: int
    is_challenger: bool
    selection: Selection | None
    reason: str


class LearnLoop:
    """Checks the conditions, and trains when they hold.

    Args:
        learning: Performs one training.
        lease: Prevents other processes from training at the same time.
        schedule: The conditions for a training.
        now_ms: The clock, epoch milliseconds.
    """

    def __init__(
        self,
        learning: Learning,
        lease: HeldLease,
        *,
        schedule: Schedule,
        now_ms: Callable[[], int],
    ) -> None:
        self._learning, self._lease, self._schedule = learning, lease, schedule
        self._now_ms = now_ms
        self._looked_at = 0

    def step(self) -> Learnt | None:
        """Train if the conditions hold and no other process trains; return the new version.

        Raises:
            TransientError: The store, the registry or the broker does not answer. A repeat is safe.
            ConfigurationError: There is no store, or it was written with another key.
        """
        stored = self._learning.stored()
        if stored < self._schedule.min_decisions:
            return None
        if not self._lease.acquire(now_ms=self._now_ms(), for_ms=LEASE_MS):
            return None
        last = _parsed(self._lease.note())
        reason = reason_to_train(
            self._schedule,
            last,
            stored=stored,
            now_ms=self._now_ms(),
            drifted=lambda since_ms: self._drifted(since_ms, stored),
        )
        learnt = None
        if reason is not None:
            logger.info("learn.begins", extra={"reason": reason, "stored": stored})
            last = Last(stored=stored, at_ms=self._now_ms())
            with self._prolonged() as still_held:
                learnt = self._attempt(reason, still_held)
        note = "" if last is None else msgspec.json.encode(last).decode()
        self._lease.release(now_ms=self._now_ms(), note=note)
        return learnt

    def _drifted(self, since_ms: int, stored: int) -> str | None:
        """Look for drift, unless no decision has been stored since the last look."""
        if stored == self._looked_at:
            return None
        found = self._learning.drifted(since_ms)
        self._looked_at = stored
        return found

    def _attempt(self, reason: str, still_held: Callable[[], bool]) -> Learnt | None:
        """Train; with too few usable decisions, return ``None``, because more may follow."""
        try:
            return self._learning.learn(reason, still_held)
        except NothingToLearnError as error:
            logger.info("learn.too_few", extra={"reason": str(error)})
            return None

    @contextmanager
    def _prolonged(self) -> Iterator[Callable[[], bool]]:
        """Prolong the lease from a thread of its own for as long as the training takes."""
        done, lost = threading.Event(), threading.Event()

        def prolong() -> None:
            while not done.wait(LEASE_MS / 3000):
                try:
                    held = self._lease.acquire(now_ms=self._now_ms(), for_ms=LEASE_MS)
                except Exception as error:  # after an error of any kind, the lease may expire
                    logger.warning("learn.lease", extra={"error": type(error).__name__})
                    held = False
                if not held:
                    lost.set()
                    return

        thread = threading.Thread(target=prolong, name="gnomon.learn.lease", daemon=True)
        thread.start()
        try:
            yield lambda: not lost.is_set()
        finally:
            done.set()
            thread.join()


class NothingToLearnError(ConfigurationError):
    """Raised if too few decisions have an outcome, or if another process has started to train."""


def _parsed(note: str) -> Last | None:
    try:
        return msgspec.json.decode(note, type=Last)
    except msgspec.DecodeError:
        return None

"""When training begins, that one process does it at a time, and what becomes of a failure."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import StoreUnavailableError
from gnomon.operations.models.learning import (
    Last,
    LearnLoop,
    Learnt,
    NothingToLearnError,
    Schedule,
    reason_to_train,
)

NOW_MS = 1_760_000_000_000
HOUR_MS = 3_600_000
SCHEDULE = Schedule(every_decisions=200, every_hours=24.0, min_decisions=100)


@dataclass
class MemoryLease:
    """A lease in memory, shared by the loops of a test."""

    held_by: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    owner: str = "one"

    def acquire(self, *, now_ms: int, for_ms: int) -> bool:
        return self.held_by.setdefault("learn", self.owner) == self.owner

    def release(self, *, now_ms: int, note: str) -> bool:
        if self.held_by.get("learn") != self.owner:
            return False
        del self.held_by["learn"]
        self.notes["learn"] = note
        return True

    def note(self) -> str:
        return self.notes.get("learn", "")

    def of(self, owner: str) -> "MemoryLease":
        return MemoryLease(self.held_by, self.notes, owner)


@dataclass
class Learner:
    """Counts trainings; ``failure`` is raised by the next."""

    decisions: int = 0
    trained: int = 0
    failure: Exception | None = None
    during: Callable[[], object] = lambda: None
    drift: str | None = None
    looks: int = 0

    def stored(self) -> int:
        return self.decisions

    def drifted(self, since_ms: int) -> str | None:
        self.looks += 1
        return self.drift

    def learn(self, reason: str, still_held: Callable[[], bool]) -> Learnt:
        if self.failure is not None:
            raise self.failure
        self.during()
        assert still_held()
        self.trained += 1
        return Learnt(
            version=str(self.trained),
            decisions=self.decisions,
            is_challenger=True,
            selection=None,
            reason=reason,
        )


def loop(
    learner: Learner, lease: MemoryLease, *, now_ms: Callable[[], int] = lambda: NOW_MS
) -> LearnLoop:
    return LearnLoop(learner, lease, schedule=SCHEDULE, now_ms=now_ms)


@pytest.mark.parametrize(
    ("last", "stored", "hours", "drifted", "expected"),
    [
        (None, 99, 0, None, None),
        (None, 100, 0, None, "first training"),
        (150, 349, 0, None, None),
        (150, 350, 0, None, "200 new decisions"),
        (150, 151, 23.9, None, None),
        (150, 151, 24, None, "24.0 hours since the last training"),
        (150, 150, 240, "worse", None),  # nothing is new
        (150, 151, 0, "worse", "drift: worse"),
        (150, 120, 0, None, "first training"),  # another store
    ],
)
def test_when_it_is_time(
    last: int | None, stored: int, hours: float, *, drifted: str | None, expected: str | None
) -> None:
    at_ms = NOW_MS - round(hours * HOUR_MS)
    before = None if last is None else Last(stored=last, at_ms=at_ms)

    def since(since_ms: int) -> str | None:
        assert since_ms == at_ms
        return drifted

    found = reason_to_train(SCHEDULE, before, stored=stored, now_ms=NOW_MS, drifted=since)
    assert found == expected


@given(st.lists(st.integers(0, 150), max_size=30))
def test_every_two_hundred_new_decisions_are_learnt_from(added: list[int]) -> None:
    learner, lease = Learner(), MemoryLease()
    learning, at_last_training = loop(learner, lease), None
    for more in added:
        learner.decisions += more
        is_due = learner.decisions >= 100 and (
            at_last_training is None or learner.decisions - at_last_training >= 200
        )
        learnt = learning.step()
        assert (learnt is not None) == is_due
        if is_due:
            at_last_training = learner.decisions


def test_another_process_goes_on_where_the_last_one_ended() -> None:
    learner, lease = Learner(decisions=150), MemoryLease()
    assert loop(learner, lease).step() is not None
    assert loop(learner, lease.of("two")).step() is None
    learner.decisions = 350
    assert loop(learner, lease.of("two")).step() is not None


def test_two_never_train_at_once() -> None:
    lease, learner, other = MemoryLease(), Learner(decisions=150), Learner(decisions=150)
    learner.during = lambda: loop(other, lease.of("two")).step()

    assert loop(learner, lease).step() is not None

    assert (learner.trained, other.trained) == (1, 0)


def test_a_store_that_is_away_is_reported_and_tried_again() -> None:
    learner, lease = Learner(decisions=150, failure=StoreUnavailableError("away")), MemoryLease()
    learning = loop(learner, lease)
    with pytest.raises(StoreUnavailableError):
        learning.step()
    learner.failure = None
    assert learning.step() is not None


def test_too_few_usable_decisions_wait_for_more() -> None:
    learner, lease = Learner(decisions=150, failure=NothingToLearnError("few")), MemoryLease()
    learning = loop(learner, lease)
    assert learning.step() is None
    learner.failure = None
    assert learning.step() is None  # nothing is new
    learner.decisions = 350
    assert learning.step() is not None


def test_models_that_got_worse_are_a_reason() -> None:
    learner = Learner(decisions=150)
    learning = loop(learner, MemoryLease())
    assert learning.step() is not None
    learner.drift = "the mean loss of version 3 rose"
    assert learning.step() is None  # nothing is new
    assert learner.looks == 0
    learner.decisions = 151

    learnt = learning.step()

    assert learnt is not None
    assert learnt.reason == "drift: the mean loss of version 3 rose"


def test_the_vault_is_read_for_drift_only_after_it_has_grown() -> None:
    learner = Learner(decisions=150)
    learning = loop(learner, MemoryLease())
    learning.step()
    for decisions in (151, 151, 152, 152):
        learner.decisions = decisions
        assert learning.step() is None
    assert learner.looks == 2

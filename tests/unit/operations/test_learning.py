"""When training begins, that one process does it at a time, and what becomes of a failure."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import StoreUnavailableError
from gnomon.operations.learning import (
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

    def stored(self) -> int:
        return self.decisions

    def learn(self, most_decisions: int, still_held: Callable[[], bool]) -> Learnt:
        if self.failure is not None:
            raise self.failure
        self.during()
        assert still_held()
        self.trained += 1
        return Learnt(
            version=str(self.trained), decisions=self.decisions, is_challenger=True, selection=None
        )


def loop(
    learner: Learner, lease: MemoryLease, *, now_ms: Callable[[], int] = lambda: NOW_MS
) -> LearnLoop:
    return LearnLoop(learner, lease, schedule=SCHEDULE, now_ms=now_ms)


@pytest.mark.parametrize(
    ("last", "stored", "hours", "drifted", "expected"),
    [
        (None, 99, 0, False, None),
        (None, 100, 0, False, "first"),
        (150, 349, 0, False, None),
        (150, 350, 0, False, "decisions"),
        (150, 151, 23.9, False, None),
        (150, 151, 24, False, "hours"),
        (150, 150, 240, True, None),  # nothing is new
        (150, 151, 0, True, "drift"),
        (150, 120, 0, False, "first"),  # another store
    ],
)
def test_when_it_is_time(
    last: int | None, stored: int, hours: float, *, drifted: bool, expected: str | None
) -> None:
    before = None if last is None else Last(stored=last, at_ms=NOW_MS - round(hours * HOUR_MS))
    found = reason_to_train(SCHEDULE, before, stored=stored, now_ms=NOW_MS, drifted=drifted)
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

"""What never comes is given up, by order and not by time, and memory has a limit."""

import pytest
from tests.unit.comparison.build import (
    Record,
    Seen,
    config,
    features,
    finished,
    predicted,
    run,
    shed,
    started,
)

from gnomon.comparison import ComparisonState, fold, tick

LIMITS = config(max_disorder=3, expire_after_ms=10_000)


def whole(number: int) -> list[Record]:
    task, at = f"w{number}", number
    return [started(task, at), features(task, at), predicted(task, at), finished(task, at + 1)]


def after(first: list[Record], others: int) -> tuple[Seen, ComparisonState]:
    """``first``, then tasks of which everything comes."""
    state, seen = ComparisonState(), Seen()
    seen.add(fold(state, first, config=LIMITS))
    for number in range(others):
        seen.add(fold(state, whole(number), config=LIMITS))
    return seen, state


def test_predictions_that_never_come() -> None:
    lost = [started("t"), features("t")]
    assert after(lost, 2)[0].ledger.incomplete == 0
    seen, state = after(lost, 3)
    assert (seen.ledger.incomplete, seen.ledger.matched) == (1, 3)
    assert state.waiting == 0
    assert fold(state, [finished("t", 9)], config=LIMITS).by_topic == {}


def test_one_prediction_of_two_that_never_comes() -> None:
    lost = [started("t"), features("t"), predicted("t", of=2)]
    assert after(lost, 2)[0].ledger.incomplete == 0
    assert after(lost, 3)[0].ledger.incomplete == 1


def test_features_that_never_come() -> None:
    lost = [started("t"), predicted("t")]
    assert after(lost, 2)[0].ledger.incomplete == 0
    assert after(lost, 3)[0].ledger.incomplete == 1


def test_a_task_that_only_has_not_ended_is_not_given_up() -> None:
    seen, state = after([started("t"), features("t"), predicted("t")], 20)
    assert (seen.ledger.pending, seen.ledger.incomplete) == (1, 0)
    assert run([finished("t", 30)], state=state, settings=LIMITS).ledger.matched == 21


def test_a_start_that_never_comes() -> None:
    for strays in ([features("t")], [predicted("t")], [features("t"), predicted("t")]):
        assert after(strays, 2)[1].waiting == 1
        seen, state = after(strays, 3)
        assert state.waiting == 0
        assert seen.ledger.incomplete == 0


def test_a_refused_start_is_waited_for_no_longer_than_its_parts() -> None:
    old = [started("x", 20_000), features("x", 20_000), predicted("x", 20_000), started("t")]
    state = ComparisonState()
    assert run(old, state=state, settings=LIMITS).ledger.late == 1
    assert state.waiting == 1
    assert run([features("t"), shed("t")], state=state, settings=LIMITS).written == []
    assert state.waiting == 0


def test_a_refused_start_without_parts_is_given_up_uncounted() -> None:
    first = [started("x", 10_001), features("x", 10_001), predicted("x", 10_001), started("t")]
    state, late = ComparisonState(), run(first, settings=LIMITS).ledger.late
    fold(state, first, config=LIMITS)
    seen = run(*[later(n) for n in range(3)], state=state, settings=LIMITS)
    assert (late, seen.ledger.incomplete, state.waiting) == (1, 0, 0)


def later(number: int) -> list[Record]:
    """A whole task after the refused one's watermark."""
    task, at = f"w{number}", 10_002 + number
    return [started(task, at), features(task, at), predicted(task, at), finished(task, at + 1)]


@pytest.mark.parametrize(
    "lost", [[features("t")], [predicted("t")], [started("t"), features("t")], [started("t")]]
)
def test_starts_that_come_after_their_parts_also_show_what_is_missing(lost: list[Record]) -> None:
    state = ComparisonState()
    fold(state, lost, config=LIMITS)
    for number in range(3):
        task = f"w{number}"
        fold(state, [features(task), predicted(task)], config=LIMITS)
        fold(state, [started(task)], config=LIMITS)
    assert state.waiting == 0


def test_a_silent_topic_costs_a_limited_number_of_tasks() -> None:
    settings, state = config(max_waiting=10), ComparisonState()
    for number in range(50):
        task = f"t{number}"
        fold(state, [started(task), features(task)], config=settings)
        fold(state, [predicted(f"x{task}")], config=settings)
    assert state.waiting == 20
    seen = run([predicted("t49"), finished("t49", 1)], state=state, settings=settings)
    assert (seen.ledger.matched, seen.ledger.incomplete) == (1, 40)


def test_ended_tasks_are_forgotten() -> None:
    state = ComparisonState()
    fold(state, [started("t", agent="bob")], config=config(expire_after_ms=1000))
    for number in range(200):
        task, at = f"t{number}", number * 100
        batch = [started(task, at), features(task, at), predicted(task, at), finished(task, at)]
        fold(state, batch, config=config(expire_after_ms=1000))
    remembered = sum(len(tasks) for tasks in state.tasks.known.values())
    assert remembered == 11
    assert len(state.tasks.due) == 11
    assert set(state.tasks.known) == {"ada"}
    assert (state.waiting, len(state.decisions.pending)) == (1, 0)
    tick(state, config=config(expire_after_ms=1000))
    assert {len(series.hours) for series in state.metrics.series.values()} == {1}

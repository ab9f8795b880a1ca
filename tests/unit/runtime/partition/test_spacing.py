"""Ticks and snapshots: each partition keeps its period while there are few, and takes turns when many."""

import heapq
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.runtime.partition.spacing import LONGEST_WAIT_S, Schedule, Spacing


def snapshots(schedule: Schedule, *, partitions: int, until_s: float) -> list[float]:
    """The times of the snapshots of all partitions, each of which asks for its next one when it has saved."""
    due_s = [schedule.next_snapshot_s(0.0) for _ in range(partitions)]
    heapq.heapify(due_s)
    made = []
    while (now_s := due_s[0]) < until_s:
        made.append(now_s)
        heapq.heapreplace(due_s, schedule.next_snapshot_s(now_s))
    return made


@pytest.mark.parametrize(("partitions", "made"), [(1, 99), (2, 198), (10, 985)])
def test_few_partitions_keep_their_period(partitions: int, made: int) -> None:
    found = snapshots(Schedule(snapshot_every_s=10.0), partitions=partitions, until_s=1000.0)
    assert made - 10 <= len(found) <= made + 10


@pytest.mark.parametrize("partitions", [20, 32, 100])
def test_many_partitions_save_one_after_another(partitions: int) -> None:
    found = snapshots(Schedule(snapshot_every_s=10.0), partitions=partitions, until_s=1000.0)
    gaps_s = [after - before for before, after in itertools.pairwise(found)]
    assert min(gaps_s) == pytest.approx(1.0)
    assert max(gaps_s) == pytest.approx(1.0)


def test_ticks_take_a_tenth_of_the_time_at_most() -> None:
    schedule, took_s = Schedule(snapshot_every_s=10.0), 0.02
    due_s = [schedule.next_tick_s(0.0, every_s=1.0, took_s=took_s) for _ in range(50)]
    heapq.heapify(due_s)
    ticks = 0
    while due_s[0] < 100.0:
        ticks += 1
        now_s = due_s[0] + took_s
        heapq.heapreplace(due_s, schedule.next_tick_s(now_s, every_s=1.0, took_s=took_s))
    assert 490 <= ticks <= 505


@pytest.mark.parametrize(("partitions", "ticks"), [(1, 100), (4, 400), (8, 800), (96, 800)])
def test_many_partitions_tick_one_after_another(partitions: int, ticks: int) -> None:
    schedule = Schedule(snapshot_every_s=10.0)
    due_s = [schedule.next_tick_s(0.0, every_s=1.0) for _ in range(partitions)]
    heapq.heapify(due_s)
    made = 0
    while due_s[0] < 100.0:
        made += 1
        heapq.heapreplace(due_s, schedule.next_tick_s(due_s[0], every_s=1.0))
    assert made == pytest.approx(ticks, rel=0.02)


@given(
    st.lists(
        st.tuples(st.floats(0.0, 5.0), st.floats(0.001, 60.0), st.floats(0.0, 30.0)), max_size=50
    )
)
def test_nobody_waits_for_ever_or_too_short(steps: list[tuple[float, float, float]]) -> None:
    """Many due times are given out and not used, as by partitions that come and go."""
    spacing, now_s = Spacing(at_least_s=1.0, work_ratio=10.0), 0.0
    for passed_s, every_s, took_s in steps:
        now_s += passed_s
        waits_s = spacing.next_due_s(now_s, every_s=every_s, took_s=took_s) - now_s
        assert every_s - 1e-6 <= waits_s <= every_s + LONGEST_WAIT_S + 1e-6

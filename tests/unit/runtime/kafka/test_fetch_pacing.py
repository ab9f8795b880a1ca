"""When records wait for one another."""

import pytest

from gnomon.runtime.kafka.fetch_pacing import IDLE_WAIT_MS, MOST_WAIT_MS, FetchPacing


def last(load: FetchPacing, *, start_s: float, per_s: float, seconds: float) -> bool:
    """What is said after ``seconds`` of looking a hundred times a second."""
    busy = False
    for step in range(int(seconds * 100)):
        busy = load.busy(start_s + step / 100, round(per_s / 100))
    return busy


@pytest.mark.parametrize(("per_s", "busy"), [(0, False), (200, False), (300, True), (9000, True)])
def test_many_records_a_second_are_busy(per_s: float, busy: bool) -> None:  # noqa: FBT001
    assert last(FetchPacing(10), start_s=50.0, per_s=per_s, seconds=2.0) is busy


def test_it_goes_with_what_comes() -> None:
    load = FetchPacing(10)

    assert last(load, start_s=50.0, per_s=2000, seconds=2.0) is True
    assert last(load, start_s=52.0, per_s=0, seconds=1.1) is False
    assert last(load, start_s=54.0, per_s=2000, seconds=1.1) is True


def test_a_backlog_read_at_once_is_not_a_flow() -> None:
    """The first look says nothing of a rate: a single batch is taken as it is."""
    assert FetchPacing(10).busy(1_000.0, 10_000) is False


def test_records_wait_for_each_partition_but_not_for_ever() -> None:
    load = FetchPacing(10)
    assert load.wait_ms(2) == IDLE_WAIT_MS

    last(load, start_s=50.0, per_s=2000, seconds=2.0)

    assert [load.wait_ms(n) for n in (0, 1, 2, 4, 1000)] == [10, 10, 20, 40, MOST_WAIT_MS]

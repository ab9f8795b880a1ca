"""How long a fetch waits for more records, by the rate at which they come."""

import pytest

from gnomon.runtime.kafka.fetch_pacing import IDLE_WAIT_MS, FetchPacing


def last(pacing: FetchPacing, *, start_s: float, per_s: float, seconds: float) -> bool:
    """The answer after ``seconds`` with a hundred observations a second."""
    busy = False
    for step in range(int(seconds * 100)):
        busy = pacing.observe(start_s + step / 100, round(per_s / 100))
    return busy


@pytest.mark.parametrize(("per_s", "busy"), [(0, False), (200, False), (300, True), (9000, True)])
def test_many_records_a_second_are_busy(per_s: float, busy: bool) -> None:  # noqa: FBT001
    assert last(FetchPacing(10), start_s=50.0, per_s=per_s, seconds=2.0) is busy


def test_the_answer_follows_the_rate() -> None:
    pacing = FetchPacing(10)

    assert last(pacing, start_s=50.0, per_s=2000, seconds=2.0) is True
    assert last(pacing, start_s=52.0, per_s=0, seconds=1.1) is False
    assert last(pacing, start_s=54.0, per_s=2000, seconds=1.1) is True


def test_the_first_batch_alone_is_no_rate() -> None:
    """Before a full interval has passed, a large batch does not count as load."""
    assert FetchPacing(10).observe(1_000.0, 10_000) is False


def test_records_wait_only_under_load() -> None:
    pacing = FetchPacing(10)
    assert pacing.wait_ms() == IDLE_WAIT_MS

    last(pacing, start_s=50.0, per_s=2000, seconds=2.0)

    assert pacing.wait_ms() == 10

"""How long a fetch waits for more records, by their rate and the duration of transactions."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.runtime.kafka.fetch_pacing import (
    BEHIND_RECORDS,
    LEAST_PARTITION_BYTES,
    MOST_PARTITION_BYTES,
    FetchPacing,
    partition_bytes,
    waiting_records,
)


def pacing(transaction_s: float = 0.004, *, linger_ms: int = 10) -> FetchPacing:
    return FetchPacing(linger_ms, lambda: transaction_s)


def last(pacing: FetchPacing, *, start_s: float, per_s: float, seconds: float) -> bool:
    """Whether a fetch waits after ``seconds`` with a hundred observations a second."""
    for step in range(int(seconds * 100)):
        pacing.observe(start_s + step / 100, round(per_s / 100))
    return pacing.wait_s() > 0.0


@pytest.mark.parametrize(
    ("per_s", "transaction_s", "busy"),
    [
        (0, 0.004, False),
        (200, 0.004, False),
        (300, 0.004, True),
        (9000, 0.004, True),
        (200, 0.02, True),
        (300, 0.001, False),
    ],
)
def test_several_records_in_the_time_of_a_transaction_are_busy(
    per_s: float,
    transaction_s: float,
    busy: bool,  # noqa: FBT001
) -> None:
    assert last(pacing(transaction_s), start_s=50.0, per_s=per_s, seconds=2.0) is busy


def test_the_answer_follows_the_rate() -> None:
    found = pacing()

    assert last(found, start_s=50.0, per_s=2000, seconds=2.0) is True
    assert last(found, start_s=52.0, per_s=0, seconds=1.1) is False
    assert last(found, start_s=54.0, per_s=2000, seconds=1.1) is True


def test_the_first_batch_alone_is_no_rate() -> None:
    """Before a full interval has passed, a large batch does not count as load."""
    found = pacing()
    found.observe(1_000.0, 3_999)
    assert found.wait_s() == 0.0


@pytest.mark.parametrize(
    ("transaction_s", "linger_ms", "expected_ms"),
    [(0.001, 10, 10), (0.01, 10, 40), (3.0, 10, 80), (3.0, 250, 250)],
)
def test_under_load_records_wait_for_some_transactions(
    transaction_s: float, linger_ms: int, expected_ms: int
) -> None:
    found = pacing(transaction_s, linger_ms=linger_ms)
    assert found.wait_s() == 0.0

    last(found, start_s=50.0, per_s=2000, seconds=2.0)

    assert found.wait_s() * 1000 == pytest.approx(expected_ms, abs=0.6)


def test_records_of_many_partitions_wait_longer() -> None:
    found = pacing(0.003)
    for step in range(200):
        found.observe(50.0 + step / 100, 40, batches=32)

    assert found.wait_s() * 1000 == pytest.approx(4 * 3 + 32 * 0.25)


def test_records_wait_in_the_partitions_that_a_fetch_has_not() -> None:
    """Of partitions that are not assigned, or of which the brokers have told nothing, none are known."""
    next_offsets = {("t", 0): 10, ("t", 1): 5, ("t", 2): 7, ("t", 3): 7, ("gone", 0): 1}
    ends = {("t", 0): 10, ("t", 1): 2_005, ("t", 2): 6, ("t", 3): None}

    assert waiting_records(next_offsets, ends) == 2_000


def test_a_worker_that_catches_up_does_not_wait() -> None:
    found = pacing()
    last(found, start_s=50.0, per_s=2000, seconds=2.0)

    found.observe(52.01, 20, left=BEHIND_RECORDS)
    assert found.wait_s() == 0.0

    found.observe(52.02, 20_000, left=BEHIND_RECORDS - 1)
    assert found.wait_s() > 0.0


async def test_a_fetch_waits_under_load_and_is_given_up_with_its_partitions() -> None:
    found, fetched = pacing(linger_ms=60_000), list[str]()

    async def fetch(*request: str) -> bool:
        fetched.append(*request)
        return True

    paced = found.paced(fetch)
    assert await paced("at once") is True

    last(found, start_s=50.0, per_s=2000, seconds=2.0)
    waiting = asyncio.create_task(paced("later"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await waiting is False
    assert fetched == ["at once"]

    found = pacing(linger_ms=1)
    last(found, start_s=50.0, per_s=2000, seconds=2.0)
    assert await found.paced(fetch)("later") is True
    assert fetched == ["at once", "later"]


@given(st.integers(1, 100 << 20), st.integers(0, 300))
def test_a_response_has_room_for_some_of_every_partition(response: int, partitions: int) -> None:
    found = partition_bytes(response, partitions)
    assert LEAST_PARTITION_BYTES <= found <= MOST_PARTITION_BYTES
    assert found * partitions <= response or found == LEAST_PARTITION_BYTES


def test_one_partition_alone_gets_most() -> None:
    assert partition_bytes(50 << 20, 1) == MOST_PARTITION_BYTES
    assert partition_bytes(1_400_000, 64) == LEAST_PARTITION_BYTES
    assert partition_bytes(50 << 20, 32) == 256 << 10

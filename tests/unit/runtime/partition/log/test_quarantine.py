"""Which records were quarantined is read from the dead letters of the stage."""

import pytest
from aiokafka.structs import TopicPartition
from tests.support.kafka.memory_consumer import MemoryTopics
from tests.support.kafka.memory_partition import Record

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.partition.log import log_range, quarantine

DEAD = TopicPartition("p.dead-letters", 2)
HOUR_MS = 3_600_000
NOW_MS = 100 * HOUR_MS


def dead_letter(
    offset: int,
    *,
    stage: str = "features",
    reason: str = "stage_error",
    source: int = 0,
    at_ms: int = NOW_MS,
) -> Record:
    about = {"stage": stage, "reason": reason, "topic": "p.task-events", "offset": str(source)}
    headers = [(f"gnomon-{name}", text.encode()) for name, text in about.items()]
    return Record(offset, b"raw", DEAD.topic, partition=2, timestamp=at_ms, headers=headers)


async def quarantined(topics: MemoryTopics, since_ms: int = NOW_MS) -> set[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiokafka_clients, "consumer", topics.consumer)
        return set(
            await quarantine.read_quarantined(
                kafka=KafkaConnection("none:1"),
                prefix="p.",
                stage="features",
                partition=2,
                since_ms=since_ms,
            )
        )


def having(*letters: Record, end: int | None = None) -> MemoryTopics:
    return MemoryTopics({DEAD: list(letters)}, ends={DEAD: len(letters) if end is None else end})


async def test_it_names_the_records_on_which_the_stage_raised() -> None:
    topics = having(
        dead_letter(0, source=17),
        dead_letter(1, source=18, reason="output_too_large"),
        dead_letter(2, source=19, reason="invalid"),  # refused by the stage: part of its state
        dead_letter(3, source=20, stage="vault"),
        Record(4, b"of another program", DEAD.topic, partition=2, timestamp=NOW_MS),
    )

    assert await quarantined(topics) == {("p.task-events", 17), ("p.task-events", 18)}
    assert topics.running == 0


async def test_dead_letters_from_before_the_oldest_record_are_not_read() -> None:
    """By more than the hour by which clocks may differ."""
    topics = having(
        dead_letter(0, source=1, at_ms=NOW_MS - HOUR_MS - 1),
        dead_letter(1, source=2, at_ms=NOW_MS - HOUR_MS),
        dead_letter(2, source=3),
    )

    assert await quarantined(topics) == {("p.task-events", 2), ("p.task-events", 3)}


@pytest.mark.parametrize("topics", [having(), having(dead_letter(0, at_ms=0)), having(end=3)])
async def test_without_dead_letters_nothing_is_skipped(topics: MemoryTopics) -> None:
    assert await quarantined(topics) == set()


async def test_an_early_clock_reads_from_the_beginning() -> None:
    assert await quarantined(having(dead_letter(0, source=5, at_ms=9)), since_ms=10) == {
        ("p.task-events", 5)
    }


async def test_an_open_transaction_before_the_end_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Skipping what it hides would process a quarantined record again."""
    monkeypatch.setattr(log_range, "STALL_S", 0.02)
    topics = having(dead_letter(0), dead_letter(1))
    topics.hidden_from = 1

    with pytest.raises(BrokerUnavailableError):
        await quarantined(topics)


async def test_a_broker_that_is_down_is_an_error() -> None:
    topics = having(dead_letter(0))
    topics.down = True

    with pytest.raises(BrokerUnavailableError, match=r"p\.dead-letters\[2\]"):
        await quarantined(topics)

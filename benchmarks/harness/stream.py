"""The task events that every engine reads: the same for the same seed.

Starts and finishes come in the order in which agents would send them, with up to two seconds of
disorder in their times.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from heapq import heappop, heappush

from aiokafka.partitioner import DefaultPartitioner

from gnomon.codec import encode
from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.events import TaskFinished, TaskStarted

BASE_MS = 1_760_000_000_000
DISORDER_MS = 2_000
HOUR_MS = 3_600_000
BATCH_BYTES = 900_000
"""Slightly less than the largest batch that a broker accepts."""

Keyed = tuple[bytes, bytes]
"""Agent and encoded event."""
Event = TaskStarted | TaskFinished


def events(count: int, *, agents: int, span_h: float, seed: int = 7) -> Iterator[Event]:
    """Yield ``count`` events, half of them starts, over ``span_h`` hours; the same for the same seed."""
    draw = random.Random(seed)
    step_ms = span_h * HOUR_MS / (count // 2)
    waiting: list[tuple[float, int, TaskFinished]] = []
    for i in range(count // 2):
        now_ms = BASE_MS + i * step_ms
        while waiting and waiting[0][0] <= now_ms:
            yield heappop(waiting)[2]
        started, finished = _task(i, int(now_ms - draw.random() * DISORDER_MS), agents, draw)
        yield started
        heappush(waiting, (now_ms + finished.duration_s * 1000, i, finished))
    while waiting:
        yield heappop(waiting)[2]


def _task(
    number: int, at_ms: int, agents: int, draw: random.Random
) -> tuple[TaskStarted, TaskFinished]:
    agent_id = f"agent-{draw.randrange(agents):06d}"
    task_id, task_type = f"t{number:09d}", f"type-{draw.randrange(40)}"
    duration_s = round(draw.lognormvariate(3, 0.8), 3)
    started = TaskStarted(
        agent_id=agent_id, task_id=task_id, task_type=task_type, started_at_ms=at_ms
    )
    finished = TaskFinished(
        agent_id=agent_id,
        task_id=task_id,
        task_type=task_type,
        started_at_ms=at_ms,
        finished_at_ms=at_ms + int(duration_s * 1000),
        duration_s=duration_s,
        succeeded=draw.random() < 0.7,
        code_review_iterations=draw.randrange(5),
    )
    return started, finished


def encoded(made: Iterable[Event]) -> Iterator[Keyed]:
    """Yield each event as it is published."""
    for event in made:
        yield event.agent_id.encode(), encode(event)


@cache
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka clients choose for a key."""
    numbers = list(range(partitions))
    return int(DefaultPartitioner()(key, numbers, numbers))


def by_partition(keyed: Iterable[Keyed], partitions: int) -> Mapping[int, Sequence[Keyed]]:
    """Return records by the partition that Kafka clients choose for their key."""
    parts: dict[int, list[Keyed]] = {number: [] for number in range(partitions)}
    for key, value in keyed:
        parts[partition_of(key, partitions)].append((key, value))
    return parts


async def fill(kafka: KafkaConnection, topic: str, parts: Mapping[int, Sequence[Keyed]]) -> None:
    """Publish ``parts`` to ``topic``, partitions by turns, so that they advance together."""
    producer = aiokafka_clients.producer(
        kafka, max_batch_size=BATCH_BYTES, max_request_size=8 << 20, acks=1
    )
    await producer.start()
    try:
        waiting = {number: iter(records) for number, records in parts.items() if records}
        held: dict[int, Keyed] = {}
        while waiting:
            sent = []
            for number in list(waiting):
                batch = producer.create_batch()
                for key, value in _again(held.pop(number, None), waiting[number]):
                    if batch.append(key=key, value=value, timestamp=None) is None:
                        held[number] = key, value
                        break
                else:
                    del waiting[number]
                sent.append(await producer.send_batch(batch, topic, partition=number))
            for delivery in sent:
                await delivery
    finally:
        await producer.stop()


def _again(held: Keyed | None, records: Iterator[Keyed]) -> Iterator[Keyed]:
    if held is not None:
        yield held
    yield from records

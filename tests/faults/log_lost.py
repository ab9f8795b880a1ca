"""Faults of the log of task-events: retention removes what nobody has read, and the topic is made again.

Each happens alone, while no record is under way and the two stages that read the topic are down. So it is
known which records are lost, and what was written before.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.structs import TopicPartition
from confluent_kafka import TopicPartition as Place
from tests.faults.dump import TOPICS, read_all
from tests.faults.fault import Fault
from tests.faults.history import Hole
from tests.faults.publish import told_records
from tests.faults.rig import Rig, RigError
from tests.faults.stream import LATENESS_MS
from tests.support.polling import eventually_sync

from gnomon.connection import aiokafka_clients, librdkafka_settings
from gnomon.operations.topics_admin import create_topics
from gnomon.topics import group_of

READERS: Final = ("features", "comparison")
TOPIC: Final = "task-events"
DRAIN_S: Final = 240.0
WRITTEN_S: Final = 30.0
"""With 32 partitions, all is written every 20 s."""
PILE_S: Final = 10.0
MADE_S: Final = 30.0
MOST: Final = 1_500
"""Records that are lost at most."""
SIZE: Final = 65_536


async def retention_passes(rig: Rig, fault: Fault) -> None:
    """Retention removes records of one partition that were never read, and all before them."""
    partition = int(fault.chance * rig.partitions)
    if rig.publisher.over:
        return
    async with rig.publisher.held():
        await _all_read(rig)
        await rig.halt(READERS)
        start = await _committed(rig, partition)
        agents_told = (await _ends(rig, ["agent-features"]))["agent-features", partition]
    await _piled_up(rig, partition, start)
    records = await read_all(rig.broker.connection, TOPIC, partitions=[partition])
    stop = _stop(records, start, fault.chance)
    if stop is not None:
        history = rig.history
        history.removed += [(history.life, r) for r in records if r.offset < stop]
        history.holes.append(Hole(history.life, partition, start, stop, agents_told))
        await asyncio.to_thread(_remove, rig, partition, stop)
    await rig.resume(READERS)


async def topic_made_again(rig: Rig, fault: Fault) -> None:
    """The topic is deleted and made again; the stages begin anew with it."""
    history, kafka = rig.history, rig.broker.connection
    if rig.publisher.over:
        return
    async with rig.publisher.held():
        await _all_read(rig)
        # Evidence of hours to which the new topic adds nothing stays as it was written last.
        await rig.written(timeout_s=WRITTEN_S)
        # So do the counts of processes from which the new topic gets no record.
        await rig.told(told_records(rig.publisher.placed, history), timeout_s=WRITTEN_S)
        await rig.halt(READERS)
        history.removed += [(history.life, record) for record in await read_all(kafka, TOPIC)]
        history.life += 1
        for (topic, partition), end in (await _ends(rig, TOPICS)).items():
            history.begins[topic, history.life, partition] = end
        await asyncio.to_thread(_delete, rig)
        await _make(rig)
        rig.publisher.begin_life()
    await asyncio.sleep(fault.between(0.0, 2.0))
    await rig.resume(READERS)


async def _all_read(rig: Rig) -> None:
    if not await rig.drained(timeout_s=DRAIN_S):
        raise RigError(f"records are left {DRAIN_S:.0f} s after the last was sent")


async def _committed(rig: Rig, partition: int) -> int:
    """Return the offset up to which both stages have read a partition."""
    admin = aiokafka_clients.admin(rig.broker.connection)
    await admin.start()
    try:
        found = set()
        for stage in READERS:
            offsets = await admin.list_consumer_group_offsets(group_of(stage, ""))
            place = offsets.get(TopicPartition(TOPIC, partition))
            found.add(0 if place is None else place.offset)
    finally:
        await admin.close()
    if len(found) != 1:
        raise RigError(f"the stages have read up to {found}")
    return int(found.pop())


async def _ends(rig: Rig, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
    places = [TopicPartition(topic, n) for topic in topics for n in range(rig.partitions)]
    async with aiokafka_clients.consumer(rig.broker.connection) as consumer:
        ends = await consumer.end_offsets(places)
    return {(place.topic, place.partition): end for place, end in ends.items()}


async def _piled_up(rig: Rig, partition: int, start: int) -> None:
    """Wait until enough records can be lost, or the stream is over, or a time has passed."""
    deadline = time.monotonic() + PILE_S
    while time.monotonic() < deadline and not rig.publisher.over:
        if (await _ends(rig, [TOPIC]))[TOPIC, partition] >= start + MOST:
            return
        await asyncio.sleep(0.2)


def _stop(records: Sequence[Any], start: int, chance: float) -> int | None:
    """Return the first offset to keep: a valid start that came in time; ``None`` if there is none.

    How old an event that came too late may be is not bounded, so the stage cannot tell from it what was lost.
    """
    newest_ms = 0
    found = []
    for record in records:
        at_ms = _started_at_ms(record)
        if at_ms is not None:
            if record.offset > start and at_ms >= newest_ms - LATENESS_MS:
                found.append(record.offset)
            newest_ms = max(newest_ms, at_ms)
    found = found[: MOST // 2]
    return found[int((0.2 + 0.7 * chance) * len(found))] if found else None


def _started_at_ms(record: Any) -> int | None:
    """Return when the task of a valid start started; ``None`` of any other record."""
    try:
        event = json.loads(record.value or b"")
    except ValueError:
        return None
    valid = event["kind"] == "task_started.v1" and "task_type" in event and len(record.value) < SIZE
    at_ms = event["started_at_ms"] if valid else None
    return None if at_ms is None or at_ms > record.timestamp else int(at_ms)


def _remove(rig: Rig, partition: int, before: int) -> None:
    admin = librdkafka_settings.admin(rig.broker.connection)
    for done in admin.delete_records([Place(TOPIC, partition, before)]).values():
        done.result(30)
    written = rig.folder / "broker" / "data" / "log-start-offset-checkpoint"
    eventually_sync(
        lambda: f"{TOPIC} {partition} {before}" in written.read_text().splitlines(),
        what="Kafka has written down what it removed",
    )


def _delete(rig: Rig) -> None:
    admin = librdkafka_settings.admin(rig.broker.connection)
    for done in admin.delete_topics([TOPIC], operation_timeout=20).values():
        done.result(30)


async def _make(rig: Rig) -> None:
    """Make the topic when its name is free."""
    deadline = time.monotonic() + MADE_S
    kafka, partitions = rig.broker.connection, rig.partitions
    while TOPIC not in await create_topics(kafka, partitions=partitions, replication=1):
        if time.monotonic() > deadline:
            raise RigError(f"{TOPIC} still exists after {MADE_S:.0f} s")
        await asyncio.sleep(0.2)

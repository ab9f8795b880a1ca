"""Writes topics and the store as JSON lines, for the verifier or another one.

``<topic>.jsonl`` has one committed record a line: partition, offset, timestamp, key, size, and
``value``, which is JSON. If the bytes are no JSON, ``value`` is null, and ``raw`` is their base64. A dead letter's ``value`` has its source and reason; a sealed
decision's has its plaintext in ``opened``.
"""

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from tests.faults.history import History

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.events import SealedDecision
from gnomon.runtime.kafka.reading import partitions_of
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.topics import DEAD_LETTERS, DECISIONS, TASK_EVENTS
from gnomon.vault import KeyRing, load_key, open_decision

STORE = "store"
TOPICS = (
    "task-events", "task-features", "agent-features", "shadow-predictions", "comparisons",
    "comparison-metrics", "decisions", "dead-letters", "client-stats", "verdict-evidence",
    "model-switches",
)  # fmt: skip
_READ_S = 120.0
_encode = msgspec.json.encode
_decode = msgspec.json.decode


async def dump(
    settings: Settings, folder: Path, *, log: Sequence[tuple[int, Any]], history: History
) -> dict[str, int]:
    """Write every topic and the store to ``folder``, which exists; returns the number of records of each.

    Args:
        settings: Of the installation.
        folder: Where to.
        log: All records that ever were in task-events, with the life of the topic.
        history: What became of that topic.

    Raises:
        TimeoutError: A topic could not be read to its end: a transaction may still be open.
    """
    store = DecisionStore(settings.store_url)
    keyring = KeyRing(load_key(settings), store.keys)
    counts = {}
    history.write(folder)
    for topic in TOPICS:
        placed = log
        if topic != TASK_EVENTS.name:
            records = await read_all(settings.kafka, settings.topic_prefix + topic)
            placed = [(history.life_of(topic, record), record) for record in records]
        lines = (as_line(topic, record, keyring, life=life) for life, record in placed)
        counts[topic] = write_lines(folder / f"{topic}.jsonl", lines)
    rows = (_store_line(row, keyring) for row in store.iter_sealed())
    counts[STORE] = write_lines(folder / f"{STORE}.jsonl", rows)
    store.close()
    return counts


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line; returns how many."""
    count = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(_encode(line) + b"\n")
            count += 1
    return count


def as_line(topic: str, record: Any, keyring: KeyRing, *, life: int = 0) -> dict[str, Any]:
    """Return one record of ``topic`` (base name), with the attributes of aiokafka's, as it is dumped.

    ``life`` is that of task-events when it was written.
    """
    value, raw = _json_or_raw(record.value)
    if topic == DEAD_LETTERS.name:
        value = _dead(record) | {"life": life}
    elif topic == DECISIONS.name and record.value is not None:
        value = _opened(_decode(record.value, type=SealedDecision), keyring)
    elif topic == TASK_EVENTS.name and record.value is not None:
        raw = base64.b64encode(record.value).decode()
    return {
        "life": life,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode(),
        "size": None if record.value is None else len(record.value),
        "value": value,
        "raw": raw,
    }


async def read_all(
    kafka: KafkaConnection, topic: str, *, partitions: Sequence[int] | None = None
) -> list[Any]:
    """Read every committed record of ``topic``, or of some of its partitions.

    Raises:
        TimeoutError: The end was not reached.
    """
    tps = (await partitions_of(kafka, [topic]))[topic]
    if partitions is not None:
        tps = [tp for tp in tps if tp.partition in partitions]
    async with aiokafka_clients.consumer(kafka) as uncommitted:
        # To a reader of committed records, the log ends where the first open transaction begins.
        ends = await uncommitted.end_offsets(tps)
    consumer = aiokafka_clients.consumer(
        kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        return await _to_the_end(consumer, ends)
    finally:
        await consumer.stop()


async def _to_the_end(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> list[Any]:
    deadline = time.monotonic() + _READ_S
    records: list[Any] = []
    while behind := [tp for tp in ends if await consumer.position(tp) < ends[tp]]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not read to the end: {behind}")
        for found in (await consumer.getmany(timeout_ms=200, max_records=8192)).values():
            records.extend(found)
    return records


def _json_or_raw(value: bytes | None) -> tuple[Any, str | None]:
    if value is None:
        return None, None
    try:
        return _decode(value), None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, base64.b64encode(value).decode()


def _dead(record: Any) -> dict[str, Any]:
    headers = {name.removeprefix("gnomon-"): text.decode() for name, text in record.headers}
    return headers | {
        "key": None if record.key is None else record.key.decode(),
        "raw": None if record.value is None else base64.b64encode(record.value).decode(),
    }


def _opened(sealed: SealedDecision, keyring: KeyRing) -> dict[str, Any]:
    """Return a sealed decision with its plaintext in place of the ciphertext."""
    return {
        "decision_id": sealed.decision_id,
        "status": sealed.status,
        "started_at_ms": sealed.started_at_ms,
        "ended_at_ms": sealed.ended_at_ms,
        "opened": _decode(_encode(open_decision(keyring, sealed))),
    }


def _store_line(row: SealedDecision, keyring: KeyRing) -> dict[str, Any]:
    return {"partition": 0, "offset": 0, "value": _opened(row, keyring)}

"""One partition of Kafka in memory: its input topics, the group's offsets, and transactional writers.

``MemoryPartition`` implements ``PartitionLog`` and creates ``OutputWriter``; the contract in
``partition_log_contract`` holds for it and for the real one. Every call can be made to fail, so that a
test can crash the worker between any two steps.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gnomon.errors import (
    BrokerUnavailableError,
    FencedError,
    LostRecordsError,
    OutputTooLargeError,
    TransientError,
)
from gnomon.records import DeadLetter, Headers, Outputs, SourceRecord
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.partition.poison import QUARANTINE_REASONS
from gnomon.runtime.partition.ports import LogFacts, OutputWriter, RecordIds

TOPIC = "p.in"
CHUNK = 3


@dataclass(frozen=True)
class Record:
    """A record of the input."""

    offset: int
    value: bytes | None = b"v"
    topic: str = TOPIC
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = b"k"
    headers: Headers = ()


def records(*values: bytes, topic: str = TOPIC, start: int = 0) -> list[Record]:
    """One record for each value, in order, a millisecond apart."""
    return [
        Record(offset, value, topic, timestamp=offset) for offset, value in enumerate(values, start)
    ]


def batch(of: Sequence[SourceRecord], *, start: int | None = None) -> Batch:
    """A fetched batch; ``start`` is where the batch before it ended."""
    last = of[-1]
    begin = of[0].offset if start is None else start
    return Batch(of, begin, last.topic, last.partition)


class CrashError(BrokerUnavailableError):
    """The failure that a test has asked for."""


@dataclass
class MemoryPartition:
    """Attributes say what is in Kafka.

    Attributes:
        inputs: Records by full topic name.
        beginnings: Offset of the first record left, by full topic name; 0 without one.
        logs: Ids of the logs, by full topic name.
        committed: The group's next offsets.
        written: Values of committed outputs, by base topic name.
        dead: Committed dead letters.
        calls: Names of all calls, in order.
        crash_at: Index in ``calls`` at which ``CrashError`` is raised, once.
        largest: Outputs with a longer value are refused.
        gate: Awaited before each write, if it is set.
    """

    inputs: dict[str, list[Record]]
    beginnings: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    committed: dict[str, int] = field(default_factory=dict)
    written: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    dead: list[DeadLetter] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    crash_at: int | None = None
    largest: int = 1_000_000
    gate: Callable[[], Awaitable[object]] | None = None
    _epoch: int = 0

    def call(self, name: str) -> None:
        """Note a call, and crash if it is due."""
        self.calls.append(name)
        if self.crash_at == len(self.calls) - 1:
            raise CrashError(f"at {name}")

    @asynccontextmanager
    async def open_writer(self) -> AsyncIterator[OutputWriter]:
        """A writer that fences those opened before."""
        self.call("open_writer")
        self._epoch += 1
        yield _Writer(self, self._epoch)
        self.call("close_writer")

    async def write(self, epoch: int, outputs: Outputs, offsets: Mapping[str, int]) -> None:
        """Write all or nothing; a crash may come before that or after it."""
        self.call("write")
        if self.gate is not None:
            await self.gate()
        if epoch != self._epoch:
            raise FencedError(f"epoch {epoch} after {self._epoch}")
        values = [value or b"" for rows in outputs.by_topic.values() for _, value in rows]
        if any(len(value) > self.largest for value in values):
            raise OutputTooLargeError("a value")
        for topic, rows in outputs.by_topic.items():
            self.written[topic] += [value or b"" for _, value in rows]
        self.dead += outputs.dead
        self.committed |= offsets
        self.call("written")

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """See ``PartitionLog``."""
        self.call("resume_offsets")
        for topic in topics:
            records = self.inputs[topic]
            end = records[-1].offset + 1 if records else 0
            if self.committed.get(topic, 0) > end:
                raise LostRecordsError(f"{topic}: {self.committed[topic]} after the end, {end}")
        return {t: max(self.committed.get(t, 0), self.beginnings.get(t, 0)) for t in topics}

    async def describe(self, topics: Sequence[str]) -> LogFacts:
        """See ``PartitionLog``."""
        self.call("describe")
        return LogFacts(dict(self.logs), {topic: self.beginnings.get(topic, 0) for topic in topics})

    async def older_than(self, topics: Sequence[str], at_ms: int) -> bool:
        """See ``PartitionLog``."""
        return all(any(r.timestamp < at_ms for r in self.left(topic)) for topic in topics)

    def left(self, topic: str) -> list[Record]:
        """The records that retention has left."""
        return [r for r in self.inputs[topic] if r.offset >= self.beginnings.get(topic, 0)]

    async def read(
        self, *, start: Mapping[str, int], end: Mapping[str, int]
    ) -> AsyncGenerator[list[SourceRecord], None]:
        """See ``PartitionLog``."""
        self.call("read")
        rest: dict[str, list[SourceRecord]] = {
            topic: [
                record
                for record in self.inputs[topic]
                if max(start[topic], self.beginnings.get(topic, 0)) <= record.offset < end[topic]
            ]
            for topic in end
        }
        while waiting := [topic for topic in rest if rest[topic]]:
            oldest = min(waiting, key=lambda topic: rest[topic][0].timestamp)
            chunk, rest[oldest] = rest[oldest][:CHUNK], rest[oldest][CHUNK:]
            self.call("read_chunk")
            yield chunk

    async def read_quarantined(self, *, stage: str, since_ms: int) -> RecordIds:
        """See ``PartitionLog``."""
        self.call("read_quarantined")
        return frozenset(
            (letter.record.topic, letter.record.offset)
            for letter in self.dead
            if letter.reason in QUARANTINE_REASONS and letter.record.timestamp >= since_ms
        )


@dataclass
class _Writer:
    kafka: MemoryPartition
    epoch: int
    revoked: bool = False

    def revoke(self) -> None:
        self.revoked = True

    async def begin(self, outputs: Outputs, offsets: Mapping[str, int]) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.write(outputs, offsets))

    async def write(self, outputs: Outputs, offsets: Mapping[str, int]) -> None:
        if self.revoked:
            raise FencedError("revoked")
        await self.kafka.write(self.epoch, outputs, offsets)


@dataclass
class NumberingStage:
    """Writes to ``out`` how many records came before, and the offset of each.

    ``!`` as a value makes it raise, with the state spoilt; ``x`` is refused by a dead letter; ``L``
    makes a long output. ``on_apply`` is called first, and may raise.
    """

    name: str = "numbering"
    inputs: tuple[str, ...] = ("in",)
    stateful: bool = True
    linger_ms: int = 10
    nice: int = 0
    on_apply: Callable[[Sequence[SourceRecord]], object] = lambda _: None
    on_tick: Outputs | None = None
    poison: bytes = b"!"
    restored: list[bytes] = field(default_factory=list)
    lags: list[int] = field(default_factory=list)
    idle_ms: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> list[int]:
        return [0]

    def observe_lag(self, partition: int, records: int) -> None:
        self.lags.append(records)

    async def apply(self, state: list[int], records: Sequence[SourceRecord]) -> Outputs:
        found: Any = self.on_apply(records)
        if asyncio.iscoroutine(found):
            await found
        outputs = Outputs()
        for record in records:
            if record.value == self.poison:
                state[0] += 1000
                raise ValueError("cannot number this")
            if record.value == b"x":
                outputs.dead.append(DeadLetter(record, "refused", "an x"))
                continue
            state[0] += 1
            text = json.dumps([state[0], record.topic, record.offset])
            outputs.topic("out").append((None, text.encode() + b" " * 500 * (record.value == b"L")))
        return outputs

    def tick(self, state: list[int], idle_ms: int) -> Outputs | None:
        self.idle_ms.append(idle_ms)
        return self.on_tick

    def missed(self, state: list[int], records: int) -> None:
        self.gaps.append(records)

    def snapshot(self, state: list[int]) -> bytes:
        return b"%d" % state[0]

    def restore(self, partition: int, data: bytes) -> list[int]:
        self.restored.append(data)
        return [int(data)]

    def status(self) -> Mapping[str, object]:
        return {}


def numbered(*offsets: int, topic: str = TOPIC) -> list[bytes]:
    """The outputs of a stage that has processed these records of one topic and no others."""
    return [json.dumps([n, topic, offset]).encode() for n, offset in enumerate(offsets, 1)]


def fails(times: int, error: Exception | None = None) -> Callable[[object], None]:
    """An ``on_apply`` that raises so many times."""
    left = times

    def fail(_: object) -> None:
        nonlocal left
        if left:
            left -= 1
            raise error or TransientError("not now")

    return fail

"""What every ``PartitionLog`` and its writers must do: in memory, and on a real Kafka.

A subclass gives ``kafka``, a fixture that opens writers for partition 0 of a group of its own, appends records to
its input topic, and reads the topic ``OUT``.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Protocol

import pytest

from gnomon.errors import FencedError, LostRecordsError
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.partition.ports import OutputWriter, PartitionLog

OUT = "task-features"


class PartitionUnderTest(Protocol):
    """One partition of a topic, and a consumer group."""

    topic: str
    log: PartitionLog

    def open_writer(self) -> AbstractAsyncContextManager[OutputWriter]:
        """A writer; opening it fences those before."""
        ...

    async def append(self, *values: bytes) -> None:
        """Records at the end of the input."""
        ...

    async def outputs(self) -> Sequence[bytes]:
        """Committed values of the topic ``OUT``."""
        ...


async def read(kafka: PartitionUnderTest, start: int, end: int) -> list[SourceRecord]:
    chunks = kafka.log.read(start={kafka.topic: start}, end={kafka.topic: end})
    async with aclosing(chunks):
        return [record async for chunk in chunks for record in chunk]


class PartitionLogContract:
    """The tests; ``kafka`` is empty at first."""

    async def test_a_group_that_has_committed_nothing_begins_at_the_beginning(
        self, kafka: PartitionUnderTest
    ) -> None:
        assert await kafka.log.resume_offsets([kafka.topic]) == {kafka.topic: 0}

    async def test_outputs_and_offsets_are_there_after_the_transaction(
        self, kafka: PartitionUnderTest
    ) -> None:
        await kafka.append(b"0", b"1", b"2")
        async with kafka.open_writer() as writer:
            await writer.write(Outputs({OUT: [(b"k", b"1"), (b"k", b"2")]}), {kafka.topic: 2})
            await writer.write(Outputs(), {kafka.topic: 3})

        assert await kafka.outputs() == [b"1", b"2"]
        assert await kafka.log.resume_offsets([kafka.topic]) == {kafka.topic: 3}

    async def test_an_offset_beyond_the_end_of_the_log_is_not_resumed(
        self, kafka: PartitionUnderTest
    ) -> None:
        """The log has lost records, or it is another log: nothing may be skipped without a word."""
        await kafka.append(b"0", b"1")
        async with kafka.open_writer() as writer:
            await writer.write(Outputs(), {kafka.topic: 7})

        with pytest.raises(LostRecordsError, match="7"):
            await kafka.log.resume_offsets([kafka.topic])

    async def test_a_log_has_facts(self, kafka: PartitionUnderTest) -> None:
        await kafka.append(b"0", b"1")
        (first, second) = await read(kafka, 0, 2)
        facts = await kafka.log.describe([kafka.topic])

        assert facts.beginnings == {kafka.topic: 0}
        assert await kafka.log.older_than([kafka.topic], second.timestamp + 1)
        assert not await kafka.log.older_than([kafka.topic], first.timestamp)
        assert await kafka.log.older_than([], 0)

    async def test_a_range_has_its_records_in_order(self, kafka: PartitionUnderTest) -> None:
        await kafka.append(*(b"%d" % n for n in range(10)))

        found = await read(kafka, 2, 9)

        assert [(r.topic, r.offset, r.value) for r in found] == [
            (kafka.topic, n, b"%d" % n) for n in range(2, 9)
        ]
        assert await read(kafka, 4, 4) == []

    async def test_a_writer_that_was_fenced_writes_nothing(self, kafka: PartitionUnderTest) -> None:
        await kafka.append(b"0", b"1", b"2")
        async with kafka.open_writer() as zombie:
            await zombie.write(Outputs({OUT: [(b"k", b"1")]}), {kafka.topic: 1})
            async with kafka.open_writer() as successor:
                with pytest.raises(FencedError):
                    await zombie.write(Outputs({OUT: [(b"k", b"zombie")]}), {kafka.topic: 9})
                await successor.write(Outputs({OUT: [(b"k", b"2")]}), {kafka.topic: 2})

        assert await kafka.outputs() == [b"1", b"2"]
        assert await kafka.log.resume_offsets([kafka.topic]) == {kafka.topic: 2}

    async def test_what_the_stage_raised_on_is_quarantined(self, kafka: PartitionUnderTest) -> None:
        await kafka.append(b"0", b"1", b"2")
        first, second, third = await read(kafka, 0, 3)
        dead = [
            DeadLetter(first, "stage_error"),
            DeadLetter(second, "refused"),
            DeadLetter(third, "output_too_large"),
        ]
        async with kafka.open_writer() as writer:
            await writer.write(Outputs(dead=dead), {kafka.topic: 3})

        found = await kafka.log.read_quarantined(stage="numbering", since_ms=first.timestamp)

        assert found == {(kafka.topic, 0), (kafka.topic, 2)}

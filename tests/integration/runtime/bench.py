"""Runs workers of the counting stage on topics of their own, and reads their outputs."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from tests.integration.runtime.counting import Counted, CountingStage
from tests.support.polling import eventually

from gnomon.errors import GnomonError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import as_json, read_topic
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.process.stage_worker import StageWorker
from gnomon.settings import Settings

PARTITIONS = 4


class Bench:
    """Topics with a prefix of their own, settings, and workers that end with the test."""

    def __init__(self, brokers: str, prefix: str, folder: Path) -> None:
        self.settings = Settings(
            brokers=brokers,
            topic_prefix=prefix,
            data_dir=str(folder),
            session_timeout_s=6.0,
            snapshot_every_s=0.2,
        )
        self._running: dict[StageWorker[Counted], asyncio.Task[None]] = {}

    async def start(
        self, stage: CountingStage | None = None, *, ready: bool = True, **settings: Any
    ) -> StageWorker[Counted]:
        """Start a worker; ``settings`` replace those of the bench."""
        worker = StageWorker(
            stage or CountingStage(),
            settings=replace(self.settings, **settings),
            metrics=Metrics(),
        )
        self._running[worker] = asyncio.create_task(worker.run(port=0))
        if ready:
            await eventually(lambda: worker.health.ready, what="the worker is ready")
        return worker

    async def stop(self, worker: StageWorker[Counted]) -> None:
        """Stop a worker; raises the error that has ended it, if any."""
        worker.stop()
        await self._running.pop(worker)

    async def ended(self, worker: StageWorker[Counted]) -> BaseException | None:
        """Wait a bounded time until a worker ends by itself; returns its error."""
        async with asyncio.timeout(60):
            return await self.until_ended(worker)

    async def until_ended(self, worker: StageWorker[Counted]) -> BaseException | None:
        """Wait until a worker ends; returns its error."""
        running = self._running[worker]
        await asyncio.wait([running])
        del self._running[worker]
        return running.exception()

    async def stop_all(self) -> None:
        for worker in list(self._running):
            with contextlib.suppress(GnomonError):
                await self.stop(worker)

    async def send(
        self, values: Iterable[bytes], *, topic: str = "task-events", partitions: int = PARTITIONS
    ) -> None:
        """Send the values to the first ``partitions`` partitions in turn."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.brokers, linger_ms=5)
        await producer.start()
        for i, value in enumerate(values):
            await producer.send(self.settings.topic_prefix + topic, value, partition=i % partitions)
        await producer.stop()

    async def outputs(self) -> dict[int, list[dict[str, Any]]]:
        """Read task-features, by partition, in the order of the log."""
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        async for record in self._read("task-features"):
            found[record.partition].append(json.loads(record.value or b""))
        return found

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Read dead-letters, with the headers."""
        return [json.loads(as_json(record)) async for record in self._read("dead-letters")]

    def _read(self, topic: str) -> AsyncIterator[SourceRecord]:
        return read_topic(
            kafka=self.settings.kafka,
            topic=self.settings.topic_prefix + topic,
            follow=False,
        )

    async def written(self) -> dict[int, list[int]]:
        """Read the numbers in task-features, by partition, in the order of the log."""
        return {
            partition: [output["n"] for output in outputs]
            for partition, outputs in (await self.outputs()).items()
        }

    async def expect(self, each: int, *, since: int = 0, timeout_s: float = 60.0) -> None:
        """Wait for ``each`` outputs in every partition; they must be 1, 2, 3 … without a repeat.

        Args:
            each: How many.
            since: So many of each partition, from before, are left out.
            timeout_s: For how long to wait.
        """
        count = (each + since) * PARTITIONS

        async def enough() -> bool:
            return sum(map(len, (await self.written()).values())) >= count

        await eventually(enough, what=f"{count} outputs", timeout_s=timeout_s)
        expected = {p: list(range(1, each + 1)) for p in range(PARTITIONS)}
        written = {p: numbers[since:] for p, numbers in (await self.written()).items()}
        assert written == expected

"""One stage in one process: Faust hands out batches, partitions work through them."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import faust
from aiokafka.errors import KafkaError
from faust.types import TP

from gnomon.errors import BrokerUnavailableError, ConfigurationError, FencedError, StalledError
from gnomon.runtime.kafka import engine
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.kafka.reading import RETRY_S, require_topics
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import PartitionRef, Stage
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.worker import PartitionWorker
from gnomon.runtime.process.health import HealthServer
from gnomon.runtime.process.stall_monitor import EXIT_AFTER_LIMITS, StallMonitor
from gnomon.settings import Settings
from gnomon.topics import group_of

logger = logging.getLogger(__name__)
State = TypeVar("State")
GC_YOUNG = 50_000

HAND_OVER_S = 5.0
"""How long a rebalance waits for the batches in hand; then their owner is fenced instead."""
SWIFT_S = 1.0
"""The same for a worker that cannot go on: what it has in hand is done again by the next."""
LEAVE_S = 5.0
"""How long a worker that was stopped tries to leave its group; then the session's time-out tells."""


class StageWorker(Generic[State]):
    """Runs ``stage`` until it is stopped or cannot go on.

    Args:
        stage: What to run.
        settings: How.
        metrics: Where to count; the stage may share it.
        wait_for_broker_s: How long to wait for one that does not answer, before work has begun.
        clock_s: Monotonic seconds: the one clock of progress.
    """

    def __init__(
        self,
        stage: Stage[State],
        *,
        settings: Settings,
        metrics: Metrics,
        wait_for_broker_s: float = 0.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage, self.metrics = stage, metrics
        self.port = 0
        self.group = group_of(stage.name, settings.topic_prefix)
        self._settings, self._clock_s = settings, clock_s
        self._wait_for_broker_s = wait_for_broker_s
        self._started_at_s = clock_s()
        self._joining_since_s: float | None = self._started_at_s
        self._partitions: dict[int, PartitionWorker[State]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._snapshots = SnapshotStore(
            Path(settings.state_url.removeprefix("file://")) / self.group
        )
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app: faust.App
        self._assigned = False
        self._generation = -1

    async def run(self, *, port: int, host: str = "127.0.0.1") -> None:
        """Work until ``stop`` is called.

        Raises:
            GnomonError: What ended the work.
            ConfigurationError: The port is taken, or the stage can never work as configured.
        """
        health = HealthServer(self, host=host, port=port)
        try:
            await health.start()
        except OSError as error:
            raise ConfigurationError(f"port {port} of {host}: {error}") from error
        self.port = health.port
        try:
            await self.stage.start()
            await self._work()
        finally:
            await self.stage.stop()
            await health.stop()

    def stop(self) -> None:
        """End ``run``; what is in hand is committed first."""
        if not self._ended.done():
            self._ended.set_result(None)

    def fail(self, error: BaseException) -> None:
        """End ``run`` with ``error``."""
        if not self._ended.done():
            self._ended.set_exception(error)

    @property
    def ready(self) -> bool:
        """Whether the group has answered, every partition here has its state, and all advance."""
        return (
            self._assigned and all(p.ready for p in self._partitions.values()) and not self.stalls()
        )

    def stalls(self) -> Sequence[Stall]:
        """What has not advanced for too long, what holds up the rest first."""
        limit_s, name = self._settings.stall_after_s, self.stage.name
        stalls = [
            worker.progress.stall(name, number)
            for number, worker in sorted(self._partitions.items())
            if worker.progress.since_advance_s > limit_s
        ]
        if self._joining_since_s is not None:
            joining_s = self._clock_s() - self._joining_since_s
            if joining_s > limit_s:
                stalls.append(Stall(name, None, "joining", round(joining_s, 1), None))
        return sorted(stalls, key=lambda stall: stall.step == "fetch")

    def status(self) -> Mapping[str, object]:
        """Small facts for ``/status``."""
        return {
            "stage": self.stage.name,
            "group": self.group,
            "ready": self.ready,
            "uptime_s": round(self._clock_s() - self._started_at_s, 1),
            "stalls": [stall.as_dict() for stall in self.stalls()],
            "partitions": {
                str(number): worker.status() for number, worker in sorted(self._partitions.items())
            },
            **self.stage.status(),
        }

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        """Where the log ends, by partition and full topic name."""
        for number, worker in self._partitions.items():
            if number in ends:
                worker.observe_end_offsets(ends[number])
                self.metrics.set(
                    "gnomon_lag_records", worker.progress.lag or 0, self.stage.name, str(number)
                )

    async def _work(self) -> None:
        topics = [self._settings.topic_prefix + name for name in self.stage.inputs]
        if not await self._done_before_the_end(self._find(topics), within_s=None):
            return
        app = self._app = engine.create_app(
            group=self.group,
            topics=topics,
            settings=self._settings,
            linger_ms=self.stage.linger_ms,
            handle=self._handle,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )
        watch = StallMonitor(
            self,
            ends=lambda: engine.ends(app),
            last_error=lambda: engine.last_error(app),
            stall_after_s=self._settings.stall_after_s,
            failed=self.fail,
        )
        try:
            await self._begin(app)
            gc.collect()
            gc.freeze()  # the imported world never becomes garbage: keep it out of collections
            # A batch is thousands of objects that die together: no look at the young ones between.
            gc.set_threshold(GC_YOUNG, 20, 20)
            watch.start()
            await self._ended
        except KafkaError as error:
            raise BrokerUnavailableError(f"{self._settings.brokers}: {error!r}") from error
        finally:
            await watch.stop()
            self._drop(set(self._partitions), within_s=HAND_OVER_S if self._stopped else SWIFT_S)
            await asyncio.gather(*self._leaving)
            # Leaves the group, for which a broker that is gone would be waited for.
            _, late = await asyncio.wait(
                [asyncio.create_task(app.stop())], timeout=LEAVE_S if self._stopped else SWIFT_S
            )
            if late:
                logger.warning("group.not_left", extra={"stage": self.stage.name})

    async def _find(self, topics: Sequence[str]) -> None:
        try:
            await require_topics(self._settings.brokers, topics, within_s=RETRY_S)
        except BrokerUnavailableError as error:
            if not self._wait_for_broker_s:
                raise
            logger.warning("broker.awaited", extra={"reason": str(error)})
            await require_topics(self._settings.brokers, topics, within_s=self._wait_for_broker_s)

    async def _begin(self, app: faust.App) -> None:
        """Start the engine; it waits for its first partitions, and for ever if Kafka goes then.

        Raises:
            StalledError: It has not started for as long as any stall may last.
        """
        limit_s = EXIT_AFTER_LIMITS * self._settings.stall_after_s
        started = await self._done_before_the_end(app.start(), within_s=limit_s)
        if not started and not self._ended.done():
            raise StalledError(f"{self.stage.name}: the engine does not start")

    async def _done_before_the_end(
        self, work: Coroutine[Any, Any, Any], *, within_s: float | None
    ) -> bool:
        """Whether ``work`` was done before the worker was told to end, and in time."""
        working = asyncio.create_task(work)
        try:
            await asyncio.wait(
                [working, self._ended], timeout=within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if working.done():
                working.result()
            return working.done()
        finally:
            working.cancel()

    async def _handle(self, batch: Batch) -> None:
        worker = self._partitions.get(batch.partition)
        if worker is not None:
            await worker.offer(batch)

    async def _on_assigned(self, assigned: set[TP], generation: int) -> None:
        numbers = {tp.partition for tp in assigned}
        if generation == self._generation + 1:
            stale = {number for number, worker in self._partitions.items() if worker.gone}
        else:  # the group has gone on without this worker: another may have moved any of them on
            stale = set(self._partitions)
        self._generation = generation
        self._drop((set(self._partitions) - numbers) | stale)
        for number in sorted(numbers - set(self._partitions)):
            self._partitions[number] = self._open(number)
        self._assigned, self._joining_since_s = True, None
        logger.info(
            "partitions.assigned",
            extra={
                "stage": self.stage.name,
                "partitions": sorted(numbers),
                "generation": generation,
                "begun_again": sorted(stale & numbers),
            },
        )

    async def _on_revoked(self, revoked: set[TP]) -> None:
        """Commit what is in hand. A partition that comes straight back keeps its state."""
        self._joining_since_s = self._clock_s()
        workers = list(self._partitions.values())
        for worker in workers:
            worker.clear_queue()
        if workers:
            draining = [asyncio.create_task(worker.drain()) for worker in workers]
            _, late = await asyncio.wait(draining, timeout=HAND_OVER_S)
            for task in late:
                task.cancel()

    def _open(self, number: int) -> PartitionWorker[State]:
        worker = PartitionWorker(
            self.stage,
            PartitionRef(
                brokers=self._settings.brokers,
                group=self.group,
                prefix=self._settings.topic_prefix,
                partition=number,
            ),
            snapshots=self._snapshots,
            snapshot_every_s=self._settings.snapshot_every_s,
            metrics=self.metrics,
            clock_s=self._clock_s,
            hold=partial(engine.hold, self._app, number),
            failed=self._partition_failed,
        )
        worker.start()
        return worker

    def _partition_failed(self, worker: PartitionWorker[State], error: Exception) -> None:
        """End the process, unless another took the partition over: then a rebalance follows."""
        number = worker.place.partition
        if self._partitions.get(number) is not worker:
            return
        if not isinstance(error, FencedError):
            self.fail(error)
            return
        logger.warning("partition.fenced", extra={"stage": self.stage.name, "partition": number})

        def still_fenced() -> None:
            if self._partitions.get(number) is worker:
                self.fail(error)

        asyncio.get_running_loop().call_later(self._settings.session_timeout_s, still_fenced)

    @property
    def _stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._ended.done() and self._ended.exception() is None

    def _drop(self, numbers: Iterable[int], *, within_s: float = HAND_OVER_S) -> None:
        """Let go of partitions, in the background: who takes them over need not wait for it."""
        for number in numbers:
            worker = self._partitions.pop(number)
            self.metrics.set("gnomon_lag_records", 0, self.stage.name, str(number))
            leaving = asyncio.create_task(worker.stop(within_s=within_s))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

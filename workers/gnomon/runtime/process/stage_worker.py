"""Runs one stage in one process: Faust fetches batches, and the assigned partitions process them."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import faust
from aiokafka.errors import KafkaError
from faust.types import TP

from gnomon import __version__
from gnomon.connection.refusals import broker_error
from gnomon.errors import ConfigurationError, LostRecordsError, StalledError
from gnomon.runtime.batch_metrics import start_counters
from gnomon.runtime.kafka import engine
from gnomon.runtime.kafka.reading import await_topics
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.worker_writer import WorkerWriter
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.on_kafka import kafka_partition_worker
from gnomon.runtime.partition.ports import KeepsStates, NamesOutputs, PartitionRef, Stage
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.spacing import Schedule
from gnomon.runtime.partition.worker import PartitionWorker
from gnomon.runtime.process.assigned_partitions import HAND_OVER_S, AssignedPartitions, OnFailure
from gnomon.runtime.process.health import HealthServer
from gnomon.runtime.process.input_topics import InputTopics
from gnomon.runtime.process.memory import tune_gc
from gnomon.runtime.process.stall_monitor import EXIT_AFTER_LIMITS, StallMonitor
from gnomon.runtime.process.worker_health import WorkerHealth
from gnomon.settings import Settings
from gnomon.topics import group_of

logger = logging.getLogger(__name__)
State = TypeVar("State")

RECOVERIES_AT_ONCE = 4
"""Each may read the log with a consumer of its own, and has one state more in memory for a moment."""
ABORT_S = 1.0
"""How long a failing worker waits for its current batches: the next worker repeats them."""
LEAVE_GROUP_S = 5.0
"""How long a stopped worker tries to leave its group; after that the session times out."""


class StageWorker(Generic[State]):
    """Runs ``stage`` until it is stopped or fails.

    Args:
        stage: What to run.
        settings: Brokers, times and folders.
        metrics: Where to count; the stage may share it.
        wait_for_broker_s: How long to wait, before work begins, for a broker that does not answer.
        on_broker: Called when a broker has answered.
        clock_s: Monotonic seconds; the one clock of progress.

    Attributes:
        health: What the worker tells of itself.
        port: Where it serves that, once it has started.
    """

    def __init__(
        self,
        stage: Stage[State],
        *,
        settings: Settings,
        metrics: Metrics,
        wait_for_broker_s: float = 0.0,
        on_broker: Callable[[], object] = lambda: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage, self.metrics = stage, metrics
        self.port = 0
        self.group = group_of(stage.name, settings.topic_prefix)
        self._settings, self._clock_s = settings, clock_s
        start_counters(metrics, stage.name)
        metrics.watch_certificates(settings.kafka.security)
        self._wait_for_broker_s, self._on_broker = wait_for_broker_s, on_broker
        self._partitions = AssignedPartitions(
            stage.name,
            open_worker=self._open_partition,
            fail=self.fail,
            fenced_grace_s=settings.session_timeout_s,
            on_dropped=self._on_dropped,
        )
        self.health = WorkerHealth(
            stage,
            self._partitions,
            group=self.group,
            metrics=metrics,
            stall_after_s=settings.stall_after_s,
            clock_s=clock_s,
        )
        self._snapshots = SnapshotStore(
            settings.state_folder() / self.group, settings=settings.folded(stage.name)
        )
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer = WorkerWriter(
            kafka=settings.kafka,
            group=self.group,
            stage=stage.name,
            prefix=settings.topic_prefix,
            transactional_id=f"{self.group}-{settings.instance_id or secrets.token_hex(8)}",
            linger_s=stage.linger_ms / 1000,
            metrics=metrics,
        )
        self._schedule = Schedule(snapshot_every_s=settings.snapshot_every_s)
        self._recovery_slots = asyncio.Semaphore(RECOVERIES_AT_ONCE)
        self._topics = [settings.topic_prefix + name for name in stage.inputs]
        outputs = stage.outputs if isinstance(stage, NamesOutputs) else ()
        self._inputs = InputTopics(self._topics, [settings.topic_prefix + name for name in outputs])
        self._app: faust.App

    async def run(self, *, port: int, host: str = "127.0.0.1") -> None:
        """Work until ``stop`` is called.

        Raises:
            GnomonError: The error that ended the work.
            ConfigurationError: The port is taken, or the stage can never work as configured.
        """
        server = HealthServer(self.health, host=host, port=port)
        await server.start()
        self.port = server.port
        self._log_start(server.address)
        try:
            if await self._run_until_ended(self.stage.start(), within_s=None):
                await self._work()
        finally:
            await self.stage.stop()
            await server.stop()

    def stop(self) -> None:
        """End ``run`` after the current batches are committed."""
        if not self._ended.done():
            self._ended.set_result(None)

    def fail(self, error: BaseException) -> None:
        """End ``run`` with ``error``."""
        if not self._ended.done():
            self._ended.set_exception(error)

    def _log_start(self, address: str) -> None:
        logger.info(
            "worker.started",
            extra={
                "stage": self.stage.name,
                "version": __version__,
                "address": address,
                "brokers": self._settings.brokers,
                "settings": self._settings.digest(),
            },
        )

    async def _work(self) -> None:
        topics = self._topics
        topics_known = await_topics(
            self._settings.kafka, topics, wait_for_broker_s=self._wait_for_broker_s
        )
        if not await self._run_until_ended(topics_known, within_s=None):
            return
        self._on_broker()
        app = self._app = engine.create_app(
            group=self.group,
            topics=topics,
            settings=self._settings,
            linger_ms=self.stage.linger_ms,
            transaction_s=lambda: self._writer.transaction_s,
            transactional_id=self._writer.transactional_id,
            on_fetched=self._writer.expect,
            on_lost=self.fail,
            handle=self._partitions.put,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )
        monitor = StallMonitor(
            self.health,
            end_offsets=lambda: self._end_offsets(app),
            last_error=lambda: engine.last_error(app),
            stall_after_s=self._settings.stall_after_s,
            on_failure=self.fail,
        )
        try:
            await self._start_engine(app)
            tune_gc()
            monitor.start()
            await self._ended
        except KafkaError as error:
            raise await broker_error(self._settings.kafka, error) from error
        finally:
            await monitor.stop()
            await self._partitions.close(within_s=HAND_OVER_S if self._stopped else ABORT_S)
            await self._writer.stop()
            # Leaving the group would wait for a broker that is down.
            _, late = await asyncio.wait(
                [asyncio.create_task(app.stop())],
                timeout=LEAVE_GROUP_S if self._stopped else ABORT_S,
            )
            if late:
                logger.warning("group.not_left", extra={"stage": self.stage.name})

    async def _start_engine(self, app: faust.App) -> None:
        """Start the engine, which waits for its first partitions, for ever if Kafka is gone by then.

        Raises:
            StalledError: It has not started within the time that any stall may last.
        """
        limit_s = EXIT_AFTER_LIMITS * self._settings.stall_after_s
        started = await self._run_until_ended(app.start(), within_s=limit_s)
        if not started and not self._ended.done():
            raise StalledError(f"{self.stage.name}: the engine does not start")

    async def _run_until_ended(
        self, work: Coroutine[Any, Any, Any], *, within_s: float | None
    ) -> bool:
        """Await ``work``; returns false if it was cancelled by the end of the worker or of the time."""
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

    async def _end_offsets(self, app: faust.App) -> Mapping[TP, int]:
        self._inputs.check(await engine.leaders(app).topics(self._inputs.compared))
        return await engine.end_offsets(app)

    async def _on_assigned(self, assigned: set[TP], member: GroupMember) -> None:
        # Partitions that are assigned again keep their states, so this comes first.
        try:
            self._inputs.check(await engine.leaders(self._app).topics(self._inputs.compared))
        except KafkaError as error:
            logger.warning("topics.unknown", extra={"reason": repr(error)})
        except (LostRecordsError, ConfigurationError) as error:
            self.fail(error)
            return
        missed = self._partitions.assign({tp.partition for tp in assigned}, member.generation)
        self._writer.joined(member, missed=missed)
        self.health.assigned()

    def _on_dropped(self, number: int) -> None:
        self.metrics.drop_partition(str(number))
        if isinstance(self.stage, KeepsStates):
            self.stage.give_up(number)

    async def _on_revoked(self, revoked: set[TP]) -> None:
        self.health.joining()
        await self._partitions.revoke()

    def _open_partition(self, number: int, on_failure: OnFailure[State]) -> PartitionWorker[State]:
        return kafka_partition_worker(
            self.stage,
            PartitionRef(
                kafka=self._settings.kafka,
                group=self.group,
                prefix=self._settings.topic_prefix,
                partition=number,
            ),
            writer=self._writer,
            leaders=engine.leaders(self._app),
            recovery_slots=self._recovery_slots,
            snapshots=self._snapshots,
            schedule=self._schedule,
            metrics=self.metrics,
            clock_s=self._clock_s,
            set_paused=partial(engine.set_paused, self._app, number),
            on_failure=on_failure,
        )

    @property
    def _stopped(self) -> bool:
        """Whether ``stop`` was called, and not ``fail``."""
        return self._ended.done() and self._ended.exception() is None

"""One stage in one process: Faust hands out batches, partitions work through them."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import faust
from faust.types import TP

from gnomon.errors import BrokerUnavailableError, ConfigurationError, GnomonError
from gnomon.runtime.engine import Batch, create_app
from gnomon.runtime.health import HealthServer
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.overview import group_of
from gnomon.runtime.partition import PartitionWorker
from gnomon.runtime.ports import Stage
from gnomon.runtime.snapshots import SnapshotStore
from gnomon.runtime.supervisor import EXIT_CONFIGURATION, stop_with_parent
from gnomon.settings import Settings

logger = logging.getLogger(__name__)
State = TypeVar("State")

HAND_OVER_S = 5.0
"""How long a rebalance waits for the batches in hand; then their owner is fenced instead."""


class StageWorker(Generic[State]):
    """Runs ``stage`` until it is stopped or cannot go on.

    Args:
        stage: What to run.
        settings: How.
        metrics: Where to count; the stage may share it.
        clock_s: Monotonic seconds: the one clock of progress.
    """

    def __init__(
        self,
        stage: Stage[State],
        *,
        settings: Settings,
        metrics: Metrics,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage, self.metrics = stage, metrics
        self.port = 0
        self.group = group_of(stage.name, settings.topic_prefix)
        self._settings, self._clock_s = settings, clock_s
        self._started_at_s = clock_s()
        self._partitions: dict[int, PartitionWorker[State]] = {}
        self._snapshots = SnapshotStore(
            Path(settings.state_url.removeprefix("file://")) / self.group
        )
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._assigned = False
        self._app: faust.App | None = None

    async def run(self, *, port: int, host: str = "127.0.0.1") -> None:
        """Work until ``stop`` is called.

        Raises:
            GnomonError: What ended the work.
            OSError: The port is taken.
        """
        health = HealthServer(self, host=host, port=port)
        await health.start()
        self.port = health.port
        try:
            await self.stage.start()
            self._app = self._create_app()
            try:
                await self._app.start()
                gc.collect()
                gc.freeze()  # the imported world never becomes garbage: keep it out of collections
                await self._ended
            finally:
                await self._close()
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
        """Whether the group has answered and every partition here has its state."""
        return self._assigned and all(p.ready for p in self._partitions.values())

    def status(self) -> Mapping[str, object]:
        """Small facts for ``/status``."""
        return {
            "stage": self.stage.name,
            "group": self.group,
            "ready": self.ready,
            "uptime_s": round(self._clock_s() - self._started_at_s, 1),
            "partitions": {
                str(number): {"step": p.step, "queued": p.queued, "offsets": dict(p.offsets)}
                for number, p in sorted(self._partitions.items())
            },
            **self.stage.status(),
        }

    def _create_app(self) -> faust.App:
        prefix = self._settings.topic_prefix
        return create_app(
            group=self.group,
            topics=[prefix + name for name in self.stage.inputs],
            settings=self._settings,
            handle=self._handle,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )

    async def _handle(self, batch: Batch) -> None:
        worker = self._partitions.get(batch.partition)
        if worker is not None:
            await worker.offer(batch)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        numbers = {tp.partition for tp in assigned}
        await self._drop(set(self._partitions) - numbers)
        for number in numbers - set(self._partitions):
            worker = self._partitions[number] = PartitionWorker(
                self.stage,
                partition=number,
                brokers=self._settings.brokers,
                group=self.group,
                prefix=self._settings.topic_prefix,
                snapshots=self._snapshots,
                snapshot_every_s=self._settings.snapshot_every_s,
                metrics=self.metrics,
                failed=self.fail,
            )
            worker.start()
        self._assigned = True
        logger.info(
            "partitions.assigned", extra={"stage": self.stage.name, "partitions": sorted(numbers)}
        )

    async def _on_revoked(self, revoked: set[TP]) -> None:
        """Commit what is in hand. A partition that comes straight back keeps its state."""
        workers = list(self._partitions.values())
        for worker in workers:
            worker.forget_pending()
        if workers:
            draining = [asyncio.create_task(worker.drain()) for worker in workers]
            _, late = await asyncio.wait(draining, timeout=HAND_OVER_S)
            for task in late:
                task.cancel()

    async def _drop(self, numbers: set[int]) -> None:
        dropped = [self._partitions.pop(number) for number in numbers]
        if dropped:
            await asyncio.gather(*(worker.stop() for worker in dropped))

    async def _close(self) -> None:
        await self._drop(set(self._partitions))
        if self._app is not None:
            await self._app.stop()


async def run_stage(
    stage: Stage[State], *, settings: Settings, metrics: Metrics, port: int, supervised: bool
) -> int:
    """Run one stage until SIGTERM, SIGINT or, if ``supervised``, the end of the parent.

    Returns:
        0 after a clean stop, 1 when it could not go on, 2 when it never can as configured.
    """
    worker = StageWorker(stage, settings=settings, metrics=metrics)
    if supervised:
        stop_with_parent(worker.stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    try:
        await worker.run(port=port)
    except OSError as error:
        logger.error("worker.no_port", extra={"port": port, "reason": str(error)})  # noqa: TRY400
        return EXIT_CONFIGURATION
    except BrokerUnavailableError as error:
        logger.error("worker.no_broker", extra={"reason": str(error)})  # noqa: TRY400
        return 1
    except ConfigurationError as error:
        logger.error("worker.misconfigured", extra={"reason": str(error)})  # noqa: TRY400
        return EXIT_CONFIGURATION
    except GnomonError as error:
        logger.exception("worker.ended", extra={"reason": str(error)})
        return 1
    return 0

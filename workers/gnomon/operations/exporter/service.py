"""Reads the figures of the installation again and again, each source in its own time, and serves them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from gnomon.drift import Drift
from gnomon.errors import GnomonError
from gnomon.metric_names import ON_EXPORTER
from gnomon.operations.clients import clients, read_clients
from gnomon.operations.exporter.cluster import read_cluster
from gnomon.operations.exporter.shown import (
    show_clients,
    show_cluster,
    show_drift,
    show_models,
    show_records,
    show_stages,
)
from gnomon.operations.exporter.verification import read_verification
from gnomon.operations.lag import StageOverview, overview
from gnomon.operations.models.latest_metrics import read_figures
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.process.health import HealthServer
from gnomon.settings import Settings
from gnomon.topics import TOPICS
from gnomon.verdict import Drill

logger = logging.getLogger(__name__)

TIMES_AS_RARE: Final[Mapping[str, float]] = {
    "broker": 1, "stages": 1, "records": 1, "clients": 2, "models": 2, "drift": 20,
}  # fmt: skip
"""How much more rarely than the others a source is read whose topic is read as a whole."""


class ReadDrills(Protocol):
    """Reads the reports of all drills; raises ``ConfigurationError``."""

    def __call__(self) -> Sequence[Drill]: ...  # noqa: D102


class ReadDrift(Protocol):
    """Reads how far features have moved, by live version; blocks; raises ``GnomonError``."""

    def __call__(self) -> Mapping[str, Drift]: ...  # noqa: D102


class Exporter:
    """One process that serves what no worker alone knows.

    Args:
        settings: How to reach the cluster, and the data folder.
        every_s: Seconds between two reads of the brokers.
        read_drills: Reads the drills.
        read_drift: Reads the drift.
        now_ms: The clock, epoch milliseconds.

    Attributes:
        metrics: What is served.
        name: As which it is served.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        every_s: float,
        read_drills: ReadDrills,
        read_drift: ReadDrift,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.name, self.metrics = "exporter", Metrics(ON_EXPORTER)
        self._settings, self._every_s, self._now_ms = settings, every_s, now_ms
        self._read_drills, self._read_drift = read_drills, read_drift
        self._stages: Sequence[StageOverview] = ()
        """As read last."""
        self._failing: dict[str, str] = {}
        self._read: set[str] = set()
        self._sources: Mapping[str, Callable[[], Awaitable[None]]] = {
            "broker": self._broker,
            "stages": self._lag,
            "records": self._records,
            "clients": self._clients,
            "models": self._models,
            "drift": self._drift,
        }

    @property
    def ready(self) -> bool:
        """Whether each source was read once."""
        return self._read == set(self._sources)

    def stalls(self) -> Sequence[Stall]:
        """Return nothing: a source that fails is named by ``degraded``."""
        return ()

    def degraded(self) -> Sequence[str]:
        """Return which sources could not be read last, and why."""
        return [f"{source}: {why}" for source, why in self._failing.items()]

    def status(self) -> Mapping[str, object]:
        """Return which sources could not be read last."""
        return {"ready": self.ready, "failing": dict(self._failing)}

    async def run(self, *, host: str, port: int, ended: asyncio.Event) -> None:
        """Serve until ``ended`` is set.

        Raises:
            ConfigurationError: The port is taken.
        """
        server = HealthServer(self, host=host, port=port)
        await server.start()
        logger.info("exporter.started", extra={"address": server.address})
        reading = [asyncio.create_task(self._keep_reading(each)) for each in self._sources]
        try:
            await ended.wait()
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await server.stop()

    async def read(self, source: str) -> None:
        """Read one source; if that fails, count it and keep what was read before."""
        try:
            await self._sources[source]()
        except GnomonError as error:
            if source not in self._failing:
                logger.warning("exporter.unread", extra={"source": source, "reason": str(error)})
            self._failing[source] = str(error)
            self.metrics.count("gnomon_exporter_failures_total", 1, source)
        else:
            self._failing.pop(source, None)
            self._read.add(source)
            now_s = self._now_ms() / 1000
            self.metrics.set("gnomon_exporter_read_timestamp_seconds", now_s, source)

    async def _keep_reading(self, source: str) -> None:
        self.metrics.count("gnomon_exporter_failures_total", 0, source)
        while True:
            await self.read(source)
            await asyncio.sleep(self._every_s * TIMES_AS_RARE[source])

    async def _broker(self) -> None:
        kafka, prefix = self._settings.kafka, self._settings.topic_prefix
        try:
            with self.metrics.time("gnomon_broker_answer_seconds"):
                found = await read_cluster(kafka, [prefix + topic.name for topic in TOPICS])
        except GnomonError:
            self.metrics.set("gnomon_broker_up", 0)
            raise
        self.metrics.set("gnomon_broker_up", 1)
        show_cluster(self.metrics, found)

    async def _lag(self) -> None:
        settings = self._settings
        self._stages = await overview(kafka=settings.kafka, prefix=settings.topic_prefix)
        show_stages(self.metrics, self._stages)

    async def _clients(self) -> None:
        settings = self._settings
        events = await read_clients(kafka=settings.kafka, prefix=settings.topic_prefix)
        lags = [each.lag for each in self._stages if each.name == "features"]
        behind = not lags or any(lags)  # an unknown lag: no event counts as lost yet
        found = await asyncio.to_thread(clients, events, now_ms=self._now_ms(), behind=behind)
        show_clients(self.metrics, found)

    async def _models(self) -> None:
        settings = self._settings
        figures = await read_figures(kafka=settings.kafka, prefix=settings.topic_prefix)
        show_models(self.metrics, figures.versions)

    async def _drift(self) -> None:
        show_drift(self.metrics, await asyncio.to_thread(self._read_drift))

    async def _records(self) -> None:
        drills, verification = await asyncio.to_thread(
            lambda: (self._read_drills(), read_verification(self._settings.data_dir))
        )
        show_records(self.metrics, drills, verification)

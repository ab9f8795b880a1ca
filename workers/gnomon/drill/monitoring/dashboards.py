"""Does every panel of the shipped dashboards show something?

The drill watches a stack of its own with a real Prometheus, lets agents and the gateway do all that the
panels are about, also what goes wrong, and asks every query of every panel for data.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import msgspec

from gnomon import Client, codec
from gnomon.connection import aiokafka_clients
from gnomon.drill.history import decisions
from gnomon.drill.monitoring.panels import Query, queries_of
from gnomon.drill.monitoring.queries import Prometheus
from gnomon.drill.monitoring.shipped import shipped
from gnomon.drill.monitoring.station import Station
from gnomon.events import TaskFinished, TaskStarted
from gnomon.models.describe import card_file
from gnomon.models.describe.card import Circumstances
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.registry import Registry
from gnomon.models.train import train
from gnomon.operations.exporter.verification import Verification, write_verification
from gnomon.operations.local_stack import LocalStack
from gnomon.operations.models.intent_log import ControlTopic, author, now_ms
from gnomon.operations.models.switching import ModelSwitch
from gnomon.topics import TASK_EVENTS

EVERY_S: Final = 1.0
WAIT_S: Final = 120.0
TURN_S: Final = 0.5
AGENTS: Final = 5
TASKS_A_TURN: Final = 10
LATENCIES: Final = (
    "gnomon_batch_seconds",
    "gnomon_transaction_seconds",
    "gnomon_stage_latency_seconds",
    "gnomon_prediction_latency_seconds",
    "gnomon_end_to_end_seconds",
)
"""The histograms that have traces as examples."""
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NO_TASK: Final = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                            "spanId": "00f067aa0ba902b7",
                            "name": "GET /",
                            "kind": 2,
                            "startTimeUnixNano": "1760000000000000000",
                            "endTimeUnixNano": "1760000001000000000",
                        }
                    ]
                }
            ]
        }
    ]
}
"""A span in OTLP that is no task."""


class DashboardsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one drill, as it is written to ``report.json``.

    Attributes:
        at_ms: When it began, epoch milliseconds.
        queries: How many queries the panels have.
        empty: Those without data.
        exemplars: How many traces Prometheus keeps as examples of each latency, by metric.
    """

    drill: Literal["dashboards"]
    at_ms: int
    queries: int
    empty: Sequence[str]
    exemplars: dict[str, int]
    passed: bool


class DashboardsDrill:
    """One drill on a running stack that nothing else uses.

    Args:
        stack: Broker and workers, over TLS: one of the panels shows when certificates expire.
        progress: Called with each step.
        folder: The dashboards; by default those that come with gnomon.
    """

    def __init__(
        self, stack: LocalStack, *, progress: Callable[[str], None], folder: Path | None = None
    ) -> None:
        self._stack, self._progress = stack, progress
        self._folder = folder or shipped("grafana/dashboards")
        self._number = 0

    async def run(self, *, at_ms: int) -> DashboardsReport:
        """Watch the stack while agents work; ask every query until all have data or time is over.

        Args:
            at_ms: When the drill began, epoch milliseconds.

        Raises:
            ConfigurationError: Prometheus is not installed.
            DrillError: It does not work, or refuses a query.
        """
        queries = queries_of(self._folder)
        self._progress("training a version, and starting Prometheus")
        await asyncio.to_thread(self._promote)
        self._note_a_verification(at_ms)
        async with Station(
            self._stack, every_s=EVERY_S, alerting=False, gateway=True, drill="dashboards"
        ) as station:
            empty = await self._ask(queries, station)
            found = await station.prometheus.exemplars(
                f'{{__name__=~"({"|".join(LATENCIES)})_bucket"}}',
                start_s=at_ms / 1000,
                end_s=now_ms() / 1000,
            )
        return DashboardsReport(
            drill="dashboards",
            at_ms=at_ms,
            queries=len(queries),
            empty=[str(query) for query in empty],
            exemplars=_by_metric(found),
            passed=bool(queries) and not empty,
        )

    async def _ask(self, queries: Sequence[Query], station: Station) -> Sequence[Query]:
        """Return the queries that have no data, at the latest after ``WAIT_S``."""
        settings = self._stack.settings
        client = Client(
            settings.brokers, topic_prefix=settings.topic_prefix, security=settings.kafka.security
        )
        deadline_s, empty, said = time.monotonic() + WAIT_S, queries, -1
        try:
            while empty and time.monotonic() < deadline_s:
                self._stack.check()
                await self._work(client, station.gateway_url)
                empty = [each for each in empty if not await _has_data(station.prometheus, each)]
                if len(empty) != said:
                    said = len(empty)
                    self._progress(f"{len(queries) - said} of {len(queries)} queries have data")
                await asyncio.sleep(TURN_S)
        finally:
            await asyncio.to_thread(client.close)
        return empty

    async def _work(self, client: Client, gateway_url: str) -> None:
        """Do some of all that the panels are about."""
        for _ in range(TASKS_A_TURN):
            self._number += 1
            with client.task("review", agent_id=f"agent-{self._number % AGENTS}", estimate_s=0.1):
                pass
        settings = self._stack.settings
        traced, finished = _traced(self._number)
        producer = aiokafka_clients.producer(settings.kafka)
        await producer.start()
        try:
            for value in (traced, finished, b"no task event"):
                topic = settings.topic_prefix + TASK_EVENTS.name
                await producer.send_and_wait(topic, value, key=b"traced")
        finally:
            await producer.stop()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as http:
            for path, body in (("events", traced), ("events", b"{}")):
                async with http.post(f"{gateway_url}/v1/{path}", data=body):
                    pass
            async with http.post(f"{gateway_url}/v1/traces", json=NO_TASK):
                pass

    def _promote(self) -> None:
        """Register a version and let it predict."""
        settings = self._stack.settings
        registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
        trained = train(decisions(seed=1), learner=LEARNERS["pool"]())
        files = card_file(trained, Circumstances(reason="a drill"))
        version = registry.register(trained, alias=None, author=author(), files=files)
        ModelSwitch(registry, ControlTopic(settings), author=author(), now_ms=now_ms).promote(
            version
        )

    def _note_a_verification(self, at_ms: int) -> None:
        """Leave the records that the exporter shows, in the drill's own data folder."""
        folder = Path(self._stack.settings.data_dir)
        write_verification(str(folder), Verification(at_ms=at_ms, passed=True))
        held = folder / "drills" / "example" / "report.json"
        held.parent.mkdir(parents=True, exist_ok=True)
        held.write_bytes(msgspec.json.encode({"drill": "example", "at_ms": at_ms, "passed": True}))


def _traced(number: int) -> tuple[bytes, bytes]:
    """Return start and end of a task with a trace; repeated records from the second time on."""
    at_ms = now_ms()
    start = TaskStarted(
        agent_id="traced",
        task_id=f"traced-{number}",
        task_type="review",
        started_at_ms=at_ms - 100,
        traceparent=TRACEPARENT,
        producer_id="drill",
        seq=0,  # the same each time
    )
    end = TaskFinished(
        agent_id=start.agent_id,
        task_id=start.task_id,
        task_type=start.task_type,
        started_at_ms=start.started_at_ms,
        finished_at_ms=at_ms,
        duration_s=0.1,
        succeeded=True,
        producer_id="drill",
        seq=1,
    )
    return codec.encode(start), codec.encode(end)


def _by_metric(found: Sequence[Any]) -> dict[str, int]:
    counts = dict.fromkeys(LATENCIES, 0)
    for each in found:
        counts[each["seriesLabels"]["__name__"].removesuffix("_bucket")] += len(each["exemplars"])
    return counts


async def _has_data(prometheus: Prometheus, query: Query) -> bool:
    return bool(await prometheus.query(query.expr))

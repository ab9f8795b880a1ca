"""Reads one installation: its store, topics, registry and drills."""

import asyncio
import csv
import io
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gnomon.connection import aiokafka_clients
from gnomon.drift import Drift
from gnomon.errors import ConfigurationError
from gnomon.models.intents import is_live
from gnomon.models.registry.reading import RegistryReader, open_reader
from gnomon.models.registry.versions import VersionInfo
from gnomon.operations import clients as client_reports
from gnomon.operations import lag
from gnomon.operations.alerts import Alert, read_alerts
from gnomon.operations.dead_letters import DeadLetterFilter, DeadLetterRecord, redrive
from gnomon.operations.exporter.verification import Verification, read_verification
from gnomon.operations.isolation_report import ImpactSummary
from gnomon.operations.judged_experiments import Judged, read_judged
from gnomon.operations.models.feature_drift import read_drift
from gnomon.operations.models.latest_metrics import Figures, read_figures
from gnomon.operations.models.model_states import VersionState, read_switches, states_of
from gnomon.runtime.kafka.reading import partitions_of, read_topic
from gnomon.settings import Settings
from gnomon.stages.drill_reports import read_drills
from gnomon.store.queries import FigureQueries
from gnomon.topics import DEAD_LETTERS, TASK_EVENTS
from gnomon.verdict import Drill

if TYPE_CHECKING:
    from gnomon.operations.models.switching import ModelSwitch, Moved

MOST_LETTERS: Final = 200
"""Dead letters that are read, of each partition."""
OPTIONS: Final = "-c statement_timeout=10000 -c default_transaction_read_only=on"
IMPORTANCE_FILE: Final = "importance.csv"


class Installation:
    """One installation, as its settings name it; implements ``Source``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kafka, self._prefix = settings.kafka, settings.topic_prefix
        self._queries = FigureQueries(limited(settings.store_url))
        self._lock = threading.Lock()
        self._counted: tuple[float, int] | None = None
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error message is enough

    def figures(self) -> FigureQueries:
        """Return what reads the numbers in the store, after a look whether there is one."""
        self._queries.check()
        return self._queries

    def stages(self) -> Sequence[lag.StageOverview]:
        """Return workers and lag of each stage."""
        return asyncio.run(lag.overview(kafka=self._kafka, prefix=self._prefix))

    def metrics(self) -> Figures:
        """Return the ledger and the figures of each version, as they stand now."""
        return asyncio.run(read_figures(kafka=self._kafka, prefix=self._prefix))

    def events_per_s(self) -> float | None:
        """Return how many task events came since the last call; ``None`` at the first."""
        total, at_s = asyncio.run(self._end_of(TASK_EVENTS.name)), time.monotonic()
        with self._lock:
            before, self._counted = self._counted, (at_s, total)
        if before is None or at_s <= before[0] or total < before[1]:
            return None
        return (total - before[1]) / (at_s - before[0])

    def clients(self) -> Sequence[client_reports.ClientOverview]:
        """Return every known client process, the one heard last first."""
        behind = any(stage.lag for stage in self.stages() if stage.name == "features")
        reported = asyncio.run(client_reports.read_clients(kafka=self._kafka, prefix=self._prefix))
        now_ms = time.time_ns() // 1_000_000
        return client_reports.clients(reported, now_ms=now_ms, behind=behind)

    def dead_letters(self) -> Sequence[DeadLetterRecord]:
        """Return the newest dead letters, the newest first."""
        return asyncio.run(self._letters())

    def redrive(self, ids: frozenset[str]) -> int:
        """Publish dead letters again; return how many."""
        return asyncio.run(self._redrive(ids))

    def versions(self) -> Sequence[VersionInfo]:
        """Return every registered version, newest first."""
        return self._reader().versions()

    def states(self) -> Sequence[VersionState]:
        """Return what each live version does."""
        switches = asyncio.run(read_switches(kafka=self._kafka, prefix=self._prefix))
        return states_of(switches)

    def importance(self, version: str) -> Mapping[str, float]:
        """Return by how much the log loss rises when an input is shuffled, by input; empty if unknown."""
        reader = self._reader()
        if version not in {each.version for each in reader.versions()}:
            return {}  # it predicts, and is not in this registry
        stored = reader.file_of(version, IMPORTANCE_FILE)
        rows = csv.DictReader(io.StringIO((stored or b"").decode()))
        first = (rows.fieldnames or [""])[0]
        return {row[first]: float(row["log_error"]) for row in rows if row.get("log_error")}

    def drifts(self) -> Mapping[str, Drift]:
        """Return how far features have moved since the training of each live version."""
        reader = self._reader()
        live = [each.version for each in reader.versions() if any(map(is_live, each.aliases))]
        return read_drift(reader, live, kafka=self._kafka, prefix=self._prefix)

    def drills(self) -> Sequence[Drill]:
        """Return all drills that were run, in the order of time."""
        return read_drills((), self.settings.data_dir)

    def alerts(self) -> Sequence[Alert]:
        """Return the alerts that Alertmanager has now, the worst first."""
        return read_alerts(self.settings.alertmanager_url)

    def experiments(self) -> Sequence[Judged]:
        """Return the last verdict on each experiment with variants, the newest first."""
        return read_judged(self.settings.data_dir)

    def verification(self) -> Verification | None:
        """Return the outcome of the last verification of the vault; ``None`` if there was none."""
        return read_verification(self.settings.data_dir)

    def impact(self) -> ImpactSummary:
        """Return what the client costs production, as last measured."""
        return ImpactSummary.of(self.settings.data_dir)

    def promote(self, version: str, *, author: str) -> str:
        """Make a version champion; return what was done."""
        return _sentence_of(self._switch(author).promote(version))

    def roll_back(self, *, author: str) -> str:
        """Make the previous champion champion again; return what was done."""
        return _sentence_of(self._switch(author).rollback())

    def close(self) -> None:
        """Close the connections to the store."""
        self._queries.close()

    def _reader(self) -> RegistryReader:
        return open_reader(uri=self.settings.mlflow_uri, model_name=self.settings.model_name)

    def _switch(self, author: str) -> "ModelSwitch":
        if not self.settings.dashboard_actions:
            raise ConfigurationError("GNOMON_DASHBOARD_ACTIONS=true lets readers do this")
        from gnomon.models.registry import Registry  # noqa: PLC0415  imports MLflow
        from gnomon.operations.models.intent_log import ControlTopic, now_ms  # noqa: PLC0415
        from gnomon.operations.models.switching import ModelSwitch  # noqa: PLC0415

        registry = Registry(uri=self.settings.mlflow_uri, model_name=self.settings.model_name)
        return ModelSwitch(registry, ControlTopic(self.settings), author=author, now_ms=now_ms)

    async def _end_of(self, topic: str) -> int:
        name = self._prefix + topic
        partitions = (await partitions_of(self._kafka, [name])).get(name)
        if not partitions:
            raise ConfigurationError(f"there is no topic {name!r}: gnomon topics create")
        consumer = aiokafka_clients.consumer(self._kafka)
        try:
            await consumer.start()
            return sum((await consumer.end_offsets(partitions)).values())
        finally:
            await consumer.stop()

    async def _letters(self) -> Sequence[DeadLetterRecord]:
        topic = self._prefix + DEAD_LETTERS.name
        read = read_topic(kafka=self._kafka, topic=topic, follow=False, last=MOST_LETTERS)
        found = [DeadLetterRecord.from_record(record) async for record in read]
        return sorted(found, key=lambda each: (-each.at_ms, each.partition, -each.offset))

    async def _redrive(self, ids: frozenset[str]) -> int:
        if not self.settings.dashboard_actions:
            raise ConfigurationError("GNOMON_DASHBOARD_ACTIONS=true lets readers do this")
        wanted = DeadLetterFilter(ids=ids)

        async def selected() -> AsyncIterator[DeadLetterRecord]:
            for letter in await self._letters():
                if letter in wanted:
                    yield letter

        return len([sent async for sent in redrive(selected(), kafka=self._kafka)])


def limited(store_url: str) -> str:
    """Return the URL with which PostgreSQL ends statements that take too long, and lets none write."""
    try:
        url = make_url(store_url)
    except (ArgumentError, ValueError):
        return store_url  # the store says what is wrong with it
    if not url.drivername.startswith("postgres"):
        return store_url
    own = url.query.get("options", "")
    options = f"{own if isinstance(own, str) else ' '.join(own)} {OPTIONS}".strip()
    query = {"connect_timeout": "5", **url.query, "options": options}
    return url.set(query=query).render_as_string(hide_password=False)


def _sentence_of(moved: "Moved") -> str:
    came = "" if moved.before is None else f" (was {moved.before})"
    return f"{moved.alias} is version {moved.version}{came}"

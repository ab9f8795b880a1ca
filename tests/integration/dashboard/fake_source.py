"""An installation whose topics and registry are invented, with a real store of numbers."""

from collections.abc import Mapping, Sequence

from tests.support.stores.filled import HOSTILE

from gnomon.dashboard.source import Source
from gnomon.drift import Drift, Word
from gnomon.drift.monitor import FeatureDrift
from gnomon.errors import ConfigurationError
from gnomon.events import Ledger
from gnomon.experiment.analysis import Difference
from gnomon.experiment.ratio import check_ratio
from gnomon.experiment.rules import ExperimentRules
from gnomon.experiment.verdict import ExperimentVerdict, ExperimentWord, VariantVerdict
from gnomon.models.registry.versions import VersionInfo
from gnomon.operations.alerts import Alert
from gnomon.operations.clients import ClientOverview
from gnomon.operations.dead_letters import DeadLetterRecord
from gnomon.operations.exporter.verification import Verification
from gnomon.operations.isolation_report import ImpactSummary, Latency, ProductionImpact, Quantile
from gnomon.operations.judged_experiments import Judged
from gnomon.operations.lag import StageOverview
from gnomon.operations.models.latest_metrics import Figures
from gnomon.operations.models.model_states import VersionState
from gnomon.settings import Settings
from gnomon.store.queries import FigureQueries
from gnomon.verdict import Drill

STAGES = ("features", "shadow", "comparison", "vault")


class FakeSource:
    """Implements ``Source``; remembers in ``done`` what readers did."""

    def __init__(self, settings: Settings, *, now_ms: int, foreign: str = HOSTILE) -> None:
        """``foreign`` is what others have written: ids, details, labels."""
        self._foreign = foreign
        self.settings = settings
        self.done: list[tuple[str, ...]] = []
        self.ledger = Ledger(partition=0, predictions=1_000, matched=950, pending=20, expired=30)
        self._now_ms = now_ms
        self._queries: dict[str, FigureQueries] = {}

    def figures(self) -> FigureQueries:
        url = self.settings.store_url
        if url not in self._queries:
            self._queries[url] = FigureQueries(url)
        self._queries[url].check()
        return self._queries[url]

    def stages(self) -> Sequence[StageOverview]:
        return [StageOverview(name, 1, {"topic[0]": 3, "topic[1]": 4}) for name in STAGES]

    def metrics(self) -> Figures:
        return Figures(self.ledger, [])

    def events_per_s(self) -> float | None:
        return 12.5

    def clients(self) -> Sequence[ClientOverview]:
        return [self._client(self._foreign, lost=7), self._client("calm", lost=0)]

    def dead_letters(self) -> Sequence[DeadLetterRecord]:
        headers = {"stage": "features", "reason": "undecodable", "detail": self._foreign}
        return [
            DeadLetterRecord(
                0, n, self._now_ms - n, None, None, {**headers, "topic": "task-events"}
            )
            for n in range(3)
        ]

    def redrive(self, ids: frozenset[str]) -> int:
        self.done.append(("redrive", *sorted(ids)))
        return len(ids)

    def versions(self) -> Sequence[VersionInfo]:
        metrics = {"mae_s": 12.0, "control_mae_s": 20.0, "accuracy": 0.81}
        return [
            VersionInfo(
                name="gnomon",
                version=version,
                aliases=aliases,
                sha256="ab" * 32,
                author="ada",
                created_at_ms=self._now_ms - 86_400_000,
                metrics=metrics,
            )
            for version, aliases in (
                ("6", ("challenger",)),
                ("5", ("champion",)),
                ("4", ("previous",)),
            )
        ]

    def states(self) -> Sequence[VersionState]:
        return []

    def importance(self, version: str) -> Mapping[str, float]:
        return {} if version == "4" else {"estimate_s": 0.2, "avg_execution_time_1h": 0.1}

    def drifts(self) -> Mapping[str, Drift]:
        moved = FeatureDrift(word=Word.RETRAIN, psi=0.31, distance=None)
        features = {"tasks_completed_1h": moved}
        return {
            "5": Drift(
                word=Word.RETRAIN, training_rows=500, rows=1_000, features=features, changes=[]
            )
        }

    def drills(self) -> Sequence[Drill]:
        return [
            Drill(drill="security", at_ms=self._now_ms - 3_600_000, passed=True),
            Drill(drill="rollback", at_ms=self._now_ms - 7_200_000, passed=False, longest_s=9.0),
        ]

    def alerts(self) -> Sequence[Alert]:
        return [
            self._alert("GnomonNoProgress", "critical", of="stage vault"),
            self._alert("GnomonDrift", self._foreign, of=self._foreign, silenced=True),
        ]

    def experiments(self) -> Sequence[Judged]:
        return [
            judged("prompts", at_ms=self._now_ms - 60_000),
            judged("models", at_ms=self._now_ms - 2 * 86_400_000, units=12),
            judged("skewed", at_ms=self._now_ms - 90_000, control_units=900),
            judged("old", at_ms=self._now_ms - 9 * 86_400_000, running=False, word="STOP-HARM"),
        ]

    def verification(self) -> Verification | None:
        return Verification(at_ms=self._now_ms - 3_600_000, passed=True)

    def impact(self) -> ImpactSummary:
        up: dict[Quantile, Latency] = {
            "p50": Latency(without_ms=10.0, with_ms=10.1, ratio=1.01),
            "p99": Latency(without_ms=20.0, with_ms=20.4, ratio=1.02),
        }
        killed: dict[Quantile, Latency] = {
            "p50": Latency(without_ms=10.0, with_ms=10.0, ratio=1.0),
            "p99": Latency(without_ms=None, with_ms=20.4, ratio=None),
        }
        return ImpactSummary(
            impact=ProductionImpact(
                measured_at_ms=self._now_ms - 3_600_000,
                passed=True,
                latency={"up": up, "killed": killed},
            ),
            lines=("production impact: PASS",),
        )

    def promote(self, version: str, *, author: str) -> str:
        if version == "4":
            raise ConfigurationError("version 4 may not be used")
        self.done.append(("promote", version, author))
        return f"champion is version {version}"

    def roll_back(self, *, author: str) -> str:
        self.done.append(("roll back", author))
        return "champion is version 4"

    def _alert(self, name: str, severity: str, *, of: str, silenced: bool = False) -> Alert:
        return Alert(
            name=name,
            severity=severity,
            summary="vault has records to read and reads none",
            of=of,
            since_ms=self._now_ms - 120_000,
            silenced=silenced,
        )

    def _client(self, name: str, *, lost: int) -> ClientOverview:
        return ClientOverview(
            producer_id=name,
            accepted=100,
            delivered=93,
            spooled=0,
            waiting=0,
            failed=0,
            dropped=0,
            received=93,
            repeated=0,
            missing=lost,
            lost=lost,
            ended=False,
            heard_ms=self._now_ms - 5_000,
        )


def judged(
    name: str,
    *,
    at_ms: int,
    units: int = 400,
    running: bool = True,
    word: ExperimentWord = "CONTINUE",
    control_units: int | None = None,
) -> Judged:
    """A verdict on an experiment with one variant; with few units its differences are unknown."""
    rules, enough = ExperimentRules(), units >= 50
    duration = Difference(low=-0.3, estimate=-0.2, high=-0.1, units=2 * units)
    failure = Difference(low=-0.02, estimate=0.01, high=0.04, units=2 * units)
    variant = VariantVerdict(
        variant="short",
        word=word,
        blocked_by=["failure" if enough else "units"],
        units=units,
        tasks=5 * units,
        means={"duration": 3.0, "failure": 0.1},
        differences={
            "duration": duration if enough else None,
            "failure": failure if enough else None,
        },
    )
    verdict = ExperimentVerdict(
        experiment=name,
        settings_sha256="5e" * 32,
        rules_sha256=rules.sha256(),
        rules=rules,
        control="control",
        sample_ratio=check_ratio(
            {"control": control_units or units, "short": units},
            {"control": 5_000, "short": 5_000},
        ),
        exposures=True,
        crossed=1,
        unassigned=7,
        immature=3,
        variants=[variant],
    )
    return Judged(at_ms=at_ms, running=running, verdict=verdict)


def _is_a_source(fake: FakeSource) -> Source:
    return fake

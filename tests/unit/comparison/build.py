"""Records as a broker would hand them over, and what a run of batches led to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gnomon import codec
from gnomon.comparison import ComparisonConfig, ComparisonState, fold, tick
from gnomon.events import (
    Comparison,
    Completeness,
    EvidenceEvent,
    FeatureVector,
    IntervalCorrection,
    Intervals,
    Ledger,
    ModelMetrics,
    Parts,
    Prediction,
    PredictionEvent,
    PredictionShed,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskFinished,
    TaskStarted,
)
from gnomon.records import DeadLetter, Outputs

T0 = 1_700_000_400_000
PREFIX = "test-"


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    value: bytes | None
    timestamp: int = T0 + 10 * 86_400_000
    partition: int = 3
    offset: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def config(
    *, expire_after_ms: int = 1000, max_disorder: int = 1000, max_waiting: int = 1000,
    max_agents: int = 256,
) -> ComparisonConfig:  # fmt: skip
    return ComparisonConfig(
        partition=3,
        topic_prefix=PREFIX,
        expire_after_ms=expire_after_ms,
        max_disorder=max_disorder,
        max_waiting=max_waiting,
        max_agents=max_agents,
    )


def event(what: TaskEvent) -> Record:
    return Record(PREFIX + "task-events", codec.encode(what))


def started(task: str, at: int = 0, *, agent: str = "ada", kind: str = "code") -> Record:
    return event(TaskStarted(agent_id=agent, task_id=task, task_type=kind, started_at_ms=T0 + at))


def finished(
    task: str, at: int = 0, *, agent: str = "ada", duration_s: float = 2.0, succeeded: bool = True
) -> Record:
    return event(
        TaskFinished(
            agent_id=agent,
            task_id=task,
            task_type="code",
            started_at_ms=T0,
            finished_at_ms=T0 + at,
            duration_s=duration_s,
            succeeded=succeeded,
            code_review_iterations=2,
        )
    )


def cancelled(task: str, at: int = 0, *, agent: str = "ada") -> Record:
    return event(TaskCancelled(agent_id=agent, task_id=task, cancelled_at_ms=T0 + at))


def vector(task: str, at: int = 0, *, agent: str = "ada", kind: str = "code") -> TaskFeatures:
    return TaskFeatures(
        agent_id=agent,
        task_id=task,
        task_type=kind,
        started_at_ms=T0 + at,
        features=FeatureVector(tasks_completed_1h=4, avg_execution_time_1h=1.5),
        completeness=Completeness(hour_seen=0.25),
        estimate_s=3.5,
        context={"lines": 12, "näme": 'q"\\'},
    )


def features(task: str, at: int = 0, *, agent: str = "ada") -> Record:
    return Record(PREFIX + "task-features", codec.encode(vector(task, at, agent=agent)))


def prediction_record(what: PredictionEvent) -> Record:
    return Record(PREFIX + "shadow-predictions", codec.encode(what))


def predicted(
    task: str,
    at: int = 0,
    *,
    agent: str = "ada",
    model: str = "control",
    version: str = "0",
    of: int = 1,
    duration_s: float | None = 1.0,
    probability: float | None = 0.75,
    sha256: str | None = None,
    intervals: Intervals | None = None,
    parts: Parts | None = None,
) -> Record:
    return prediction_record(
        Prediction(
            agent_id=agent,
            task_id=task,
            started_at_ms=T0 + at,
            model=model,
            version=version,
            predictors=of,
            duration_s=duration_s,
            success_probability=probability,
            sha256=sha256,
            intervals=intervals,
            parts=parts or {},
        )
    )


def shed(task: str, at: int = 0, *, agent: str = "ada") -> Record:
    return prediction_record(PredictionShed(agent_id=agent, task_id=task, started_at_ms=T0 + at))


@dataclass
class Seen:
    """Every output record, decoded; of metrics and ledger the latest, as a compacted topic keeps it."""

    comparisons: list[Comparison] = field(default_factory=list)
    metrics: dict[bytes, ModelMetrics] = field(default_factory=dict)
    corrections: dict[bytes, IntervalCorrection] = field(default_factory=dict)
    evidence: dict[bytes, EvidenceEvent] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(partition=3))
    dead: list[DeadLetter] = field(default_factory=list)
    written: list[tuple[str, bytes | None]] = field(default_factory=list)

    def add(self, outputs: Outputs) -> None:
        assert set(outputs.by_topic) <= {
            "comparisons",
            "comparison-metrics",
            "interval-corrections",
            "verdict-evidence",
        }
        for topic, records in outputs.by_topic.items():
            self.written += [(topic, key) for key, _ in records]
        for key, value in outputs.by_topic.get("comparisons", []):
            assert value is not None
            comparison = codec.decode_comparison(value)
            assert codec.encode(comparison) == value
            assert key == comparison.agent_id.encode()
            self.comparisons.append(comparison)
        for key, value in outputs.by_topic.get("comparison-metrics", []):
            assert key is not None
            assert value is not None
            record = codec.decode_metrics(value)
            if isinstance(record, Ledger):
                assert key == b"ledger|p3"
                self.ledger = record
            else:
                self.metrics[key] = record
        for key, value in outputs.by_topic.get("interval-corrections", []):
            assert key is not None
            assert value is not None
            self.corrections[key] = codec.decode_interval_correction(value)
        for key, value in outputs.by_topic.get("verdict-evidence", []):
            assert key is not None
            assert value is not None
            self.evidence[key] = codec.decode_evidence(value)
        self.dead += outputs.dead
        assert_adds_up(self.ledger)

    def sorted_comparisons(self) -> list[Comparison]:
        return sorted(self.comparisons, key=lambda c: (c.decision_id, c.started_at_ms))


def assert_adds_up(ledger: Ledger) -> None:
    ended = ledger.matched + ledger.expired + ledger.cancelled
    assert ledger.predictions == ended + ledger.pending


def run(
    *batches: Iterable[Record],
    settings: ComparisonConfig | None = None,
    state: ComparisonState | None = None,
) -> Seen:
    seen, state = Seen(), ComparisonState() if state is None else state
    for batch in batches:
        seen.add(fold(state, list(batch), config=settings or config()))
    seen.add(tick(state, config=settings or config()))
    return seen

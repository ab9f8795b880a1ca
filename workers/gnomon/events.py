"""The public contract: every record gnomon reads or writes, as msgspec Structs.

The JSON Schemas in ``schemas/`` are exported from these classes and never edited by hand.
``tag`` is the schema's file name. A field added later always has a default; consumers
ignore fields they do not know. Times are epoch milliseconds (UTC), durations seconds.
"""

from typing import Annotated, Literal

import msgspec

EpochMs = Annotated[
    int,
    msgspec.Meta(ge=0, lt=253_402_300_800_000, description="Milliseconds since 1970-01-01 UTC."),
]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, description="Seconds.")]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0, description="Between 0 and 1.")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
ContextValue = str | int | float | bool | None
"""What an agent may say of a task beforehand: flat, so that a model can use it."""
ProducerId = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=64, description="One process of a client; by chance."),
]
Sequence = Annotated[
    int,
    msgspec.Meta(ge=0, lt=2**53, description="Counts a process's events from 0, without gaps."),
]
Traceparent = Annotated[
    str, msgspec.Meta(max_length=55, description="W3C Trace Context of the work around the task.")
]


class TaskStarted(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_started.v1",
):
    """An agent began one task. ``estimate_s`` is the agent's own guess, if it has one.

    ``producer_id`` and ``seq`` tell readers what is missing and what has come twice.
    ``sealed_context`` is a context that only the vault's key holders open.
    """

    agent_id: Identifier
    task_id: Identifier
    task_type: Identifier
    started_at_ms: EpochMs
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    traceparent: Traceparent | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None


class TaskFinished(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_finished.v1",
):
    """An agent ended one task, with or without success. Complete without its start event.

    ``outcome`` is what else the agent says of how it went. The bounds (104 days, in nanoseconds) keep exact sums of an hour within 64 bits.
    """

    agent_id: Identifier
    task_id: Identifier
    task_type: Identifier
    started_at_ms: EpochMs
    finished_at_ms: EpochMs
    duration_s: Annotated[float, msgspec.Meta(ge=0.0, le=9_000_000.0, description="Seconds.")]
    succeeded: bool
    code_review_iterations: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] | None = None
    deployment_succeeded: bool | None = None
    error_type: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    outcome: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    sealed_outcome: bytes | None = None
    traceparent: Traceparent | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None

    def __post_init__(self) -> None:
        """Refuse a task that ended before it began."""
        if self.finished_at_ms < self.started_at_ms:
            raise ValueError(
                f"finished_at_ms {self.finished_at_ms} is before started_at_ms {self.started_at_ms}"
            )


class TaskCancelled(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_cancelled.v1",
):
    """A started task will never have an outcome."""

    agent_id: Identifier
    task_id: Identifier
    cancelled_at_ms: EpochMs
    reason: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    producer_id: ProducerId | None = None
    seq: Sequence | None = None


TaskEvent = TaskStarted | TaskFinished | TaskCancelled


class FeatureVector(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known of an agent at one instant t. ``None``: nothing to average.

    ``*_1h`` and ``code_review_iterations`` are over the agent's tasks that finished in
    (t - 1 h, t] by event time and were read before; ``same_type_*`` over the agent's last
    20 finished runs of the same task type, however old; ``agent_*`` over its last 20 of any type.
    """

    tasks_completed_1h: Count = 0
    avg_execution_time_1h: Seconds | None = None
    success_rate_1h: Share | None = None
    code_review_iterations: Annotated[float, msgspec.Meta(ge=0.0)] | None = None
    median_execution_time_1h: Seconds | None = None
    deployment_success_rate_1h: Share | None = None
    tasks_in_flight: Count = 0
    seconds_since_last_finish: Seconds | None = None
    same_type_runs: Count = 0
    same_type_avg_execution_time: Seconds | None = None
    same_type_success_rate: Share | None = None
    agent_runs: Count = 0
    agent_avg_execution_time: Seconds | None = None
    agent_success_rate: Share | None = None


class Completeness(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the hour behind a feature vector was really seen.

    ``hour_seen`` is the share of (t - 1 h, t] that this state has folded (below 1 after a cold
    start, or for an event older than the allowed lateness); ``late_dropped`` counts the agent's
    finishes of that hour that came too late to be in it.
    """

    hour_seen: Share = 0.0
    late_dropped: Count = 0


class TaskFeatures(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="task_features.v1"
):
    """A started task with its feature vector as of the start.

    ``sealed_context`` is passed on as it came; no model sees it.
    """

    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: EpochMs
    features: FeatureVector
    completeness: Completeness
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None


class AgentFeatures(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="agent_features.v1"
):
    """An agent's rolling features as of ``as_of_ms``; decays while the agent is silent."""

    agent_id: str
    as_of_ms: EpochMs
    tasks_completed_1h: Count
    avg_execution_time_1h: Seconds | None
    success_rate_1h: Share | None
    code_review_iterations: Annotated[float, msgspec.Meta(ge=0.0)] | None
    median_execution_time_1h: Seconds | None
    deployment_success_rate_1h: Share | None
    tasks_in_flight: Count
    last_finished_at_ms: EpochMs | None
    completeness: Completeness


class Prediction(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction.v1"
):
    """One prediction of one model version for one task, made as the task started.

    ``predictors`` is how many predictions the task has in all, so that a reader knows when it
    has seen the last. ``model`` is ``control`` for the estimate to beat, with version ``0``.
    """

    agent_id: str
    task_id: str
    started_at_ms: EpochMs
    model: str
    version: str
    predictors: Annotated[int, msgspec.Meta(ge=1)]
    duration_s: Seconds | None = None
    success_probability: Share | None = None
    sha256: str | None = None


class PredictionShed(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction_shed.v1"
):
    """The shadow stage was behind its lag budget and skipped this task."""

    agent_id: str
    task_id: str
    started_at_ms: EpochMs


PredictionEvent = Prediction | PredictionShed


class ModelPrediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One model version's prediction inside a comparison."""

    model: str
    version: str
    duration_s: Seconds | None = None
    success_probability: Share | None = None
    sha256: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a task ended, or why that is not known. Figures only where it is ``matched``.

    ``reported`` is what else the agent said of it (``outcome`` in ``TaskFinished``), and
    ``sealed_outcome`` the same where only the vault's key holders may read it.
    """

    status: Literal["matched", "expired", "cancelled"]
    at_ms: EpochMs
    duration_s: Seconds | None = None
    succeeded: bool | None = None
    code_review_iterations: Count | None = None
    deployment_succeeded: bool | None = None
    error_type: str | None = None
    reported: dict[str, ContextValue] = {}
    sealed_outcome: bytes | None = None


class Comparison(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="comparison.v1"
):
    """A decision: one task with its features, each model's prediction, and its outcome.

    ``decision_id`` is a function of ``agent_id`` and ``task_id`` alone, so a repeat has the same.
    """

    decision_id: str
    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: EpochMs
    features: FeatureVector
    completeness: Completeness
    predictions: list[ModelPrediction]
    outcome: Outcome
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None


class Ledger(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="ledger.v1"
):
    """What became of every predicted task of one partition, as counts since the log began.

    ``predictions = matched + pending + expired + cancelled``, always. The rest is counted beside
    it: repeated starts or ends, ends after expiry (and starts so old that they would be expired),
    ends without a start, tasks not predicted; ``incomplete`` are tasks whose features or
    predictions never came.
    """

    partition: Count
    predictions: Count = 0
    matched: Count = 0
    pending: Count = 0
    expired: Count = 0
    cancelled: Count = 0
    duplicate: Count = 0
    late: Count = 0
    orphan: Count = 0
    shed: Count = 0
    incomplete: Count = 0


class ModelMetrics(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_metrics.v1"
):
    """Figures of one model version on one slice in one partition, over ``window``.

    ``n*``, ``*_sum`` and the histogram add up over partitions; the figures beside them are of
    this partition. ``n`` counts predicted durations, ``n_success`` predicted probabilities.
    ``control_*`` and ``paired_*`` are over the tasks that the control predicted too
    (``n_paired``, ``n_success_paired``), and so is ``improvement = 1 - paired MAE / control MAE``.
    Errors in seconds, counted as at most 1,000,000. ``error_histogram`` counts absolute errors by
    bucket ``ceil(log(error_s, 1.02))``; errors below 1 ms are in bucket ``-1000``. It and
    ``median_error_s`` are kept for the slice ``all`` only.
    """

    model: str
    version: str
    slice: str
    partition: Count
    window: Literal["all", "24h"]
    n: Count
    absolute_error_us_sum: Count
    control_absolute_error_us_sum: Count
    within_25_sum: Count
    n_success: Count
    correct_sum: Count
    control_correct_sum: Count
    brier_ppm_sum: Count
    mae_s: Seconds | None
    control_mae_s: Seconds | None
    median_error_s: Seconds | None
    within_25: Share | None
    improvement: float | None
    accuracy: Share | None
    control_accuracy: Share | None
    brier: Share | None
    error_histogram: dict[str, int] = {}
    n_paired: Count = 0
    n_success_paired: Count = 0
    paired_absolute_error_us_sum: Count = 0


MetricsEvent = Ledger | ModelMetrics


class SealedDecision(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="sealed_decision.v1"
):
    """A decision as it is stored: ciphertext, and what is needed to find and open it."""

    decision_id: str
    key_id: str
    sealed: bytes
    status: Literal["matched", "expired", "cancelled"]
    started_at_ms: EpochMs
    ended_at_ms: EpochMs


class ModelIntent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_intent.v1"
):
    """Somebody wants an alias of a model to point at a version. The log of these is the truth."""

    model: str
    alias: str
    version: str
    at_ms: EpochMs
    author: str
    action: Literal["register", "promote", "rollback"]


class ClientStats(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="client_stats.v1"
):
    """What one client process says became of the events it was given, since it began.

    ``sent`` events have a ``seq``: 0 to ``sent - 1``. What was refused or dropped has none.
    ``accepted = delivered + failed + spooled + waiting``; ``replayed`` are events of an earlier
    process, from its spool, under their own ``producer_id``.
    """

    producer_id: ProducerId
    at_ms: EpochMs
    sent: Count
    accepted: Count
    delivered: Count
    failed: Count
    spooled: Count
    replayed: Count
    waiting: Count
    dropped_full: Count
    dropped_oversize: Count
    dropped_invalid: Count
    dropped_closed: Count
    shed_starts: Count
    ended: bool = False


class ClientSeen(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="client_seen.v1"
):
    """What the workers have read of one client process in one partition of task-events.

    Over all partitions the largest ``last_seq + 1`` less the sum of ``received`` is what is
    missing: on its way, in a spool, or lost.
    """

    producer_id: ProducerId
    partition: Count
    received: Count
    repeated: Count
    last_seq: Count
    as_of_ms: EpochMs


ClientEvent = ClientStats | ClientSeen


EVENTS: tuple[type[msgspec.Struct], ...] = (
    TaskStarted,
    TaskFinished,
    TaskCancelled,
    TaskFeatures,
    AgentFeatures,
    Prediction,
    PredictionShed,
    Comparison,
    Ledger,
    ModelMetrics,
    SealedDecision,
    ModelIntent,
    ClientStats,
    ClientSeen,
)
"""Every record that travels on a topic, in the order of the pipeline."""

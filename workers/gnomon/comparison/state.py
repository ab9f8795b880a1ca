"""State of the comparison of one partition, and the fold that updates it."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gnomon import codec, topics
from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Decision, Decisions, Predicted
from gnomon.comparison.encoding import comparison_json, decided
from gnomon.comparison.intervals.calibration import Calibration
from gnomon.comparison.metrics.rolling_metrics import ALL_AGENTS, RollingMetrics
from gnomon.comparison.tasks import Tasks
from gnomon.errors import EventError
from gnomon.events import Ledger, ModelMetrics, Outcome, PredictionShed, TaskEvent
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.verdict import LIVE_SETTINGS, LiveEvidence, VerdictSettings, Word
from gnomon.verdict.evidence.decided import HOUR_MS
from gnomon.verdict.evidence.records import KeyedEvidence

Words = Mapping[tuple[str, str], tuple[Word, Sequence[str]]]
"""Verdict and criteria that do not hold, by model and version."""


class ComparisonState:
    """State that one partition keeps between two batches.

    Attributes:
        tasks: State of each task according to task-events.
        decisions: Features and predictions that wait for the other parts of their decision.
        metrics: Running metrics of the models.
        calibration: Tasks by which the models' intervals are corrected.
        evidence: Evidence of the live verdict.
        ledger: The ledger as it was last written.
        unread: Records of the inputs, at most, that were never read.
        words: The latest verdict on each model and version, and what blocks it. The owner sets it;
            it is not part of snapshots.

    Args:
        verdict: Settings of the live verdict.
    """

    __slots__ = (
        "calibration",
        "decisions",
        "evidence",
        "ledger",
        "metrics",
        "tasks",
        "unread",
        "words",
    )

    def __init__(self, verdict: VerdictSettings = LIVE_SETTINGS) -> None:
        self.tasks = Tasks()
        self.decisions = Decisions()
        self.metrics = RollingMetrics()
        self.calibration = Calibration()
        self.evidence = LiveEvidence(verdict)
        self.ledger: Ledger | None = None
        self.unread = 0
        self.words: Words = {}

    @property
    def waiting(self) -> int:
        """Tasks that wait for features, predictions or a start: memory caused by other stages' lag."""
        return len(self.decisions.started) + len(self.decisions.unstarted)


def fold(
    state: ComparisonState, records: Sequence[SourceRecord], *, config: ComparisonConfig
) -> Outputs:
    """Fold one batch of task-events, task-features and shadow-predictions into ``state``.

    The state and the comparisons written depend on which records were folded, not on how the
    topics interleave or where a batch ends, provided that the records of each topic come in their
    order (``ComparisonConfig`` documents the limits of this).

    Args:
        state: Changed in place.
        records: Records of the three topics, in any interleaving.
        config: Settings, the same for the whole life of ``state``.

    Returns:
        Comparisons; the metrics, the ledger, the corrections of intervals and the evidence that the
        batch changed; dead letters of task-features and shadow-predictions. The features stage
        writes those of task-events.

    Raises:
        ValueError: A record is of another topic.
    """
    outputs = Outputs()
    prefix = config.topic_prefix
    events, features = prefix + topics.TASK_EVENTS.name, prefix + topics.TASK_FEATURES.name
    predictions = prefix + topics.SHADOW_PREDICTIONS.name
    for record in records:
        topic = record.topic
        if topic == predictions:
            _fold_prediction(state.decisions, record, outputs)
        elif topic == features:
            _fold_features(state.decisions, record, outputs)
        elif topic == events:
            event = _accepted(record, config.max_clock_ahead_ms)
            if event is not None:
                state.tasks.apply(event, state.decisions, config)
        else:
            raise ValueError(f"expected a topic of the comparison stage, got {topic!r}")
    _write_comparisons(state, outputs)
    state.decisions.give_up(config)
    _write_metrics(state, outputs, config)
    _write_corrections(state, outputs, config.partition)
    _write_evidence(state, outputs, config)
    return outputs


def _accepted(record: SourceRecord, max_clock_ahead_ms: int) -> TaskEvent | None:
    try:
        return codec.read_task_event(record, max_clock_ahead_ms=max_clock_ahead_ms)
    except EventError:
        return None  # the features stage writes it to dead-letters


def _fold_features(decisions: Decisions, record: SourceRecord, outputs: Outputs) -> None:
    value = record.value
    try:
        features = codec.decode_task_features(value or b"")
    except codec.UNDECODABLE as error:
        outputs.dead.append(_dead(record, error))
        return
    key = (features.agent_id, features.task_id, features.started_at_ms)
    decisions.add_features(key, value or b"")


def _fold_prediction(decisions: Decisions, record: SourceRecord, outputs: Outputs) -> None:
    try:
        prediction = codec.decode_prediction(record.value or b"")
    except codec.UNDECODABLE as error:
        outputs.dead.append(_dead(record, error))
        return
    key = (prediction.agent_id, prediction.task_id, prediction.started_at_ms)
    if isinstance(prediction, PredictionShed):
        decisions.add_shed(key)
        return
    predicted = Predicted(
        decisions.sources.number(prediction),
        prediction.duration_s,
        prediction.success_probability,
        prediction.parts or None,
        prediction.intervals,
    )
    decisions.add_prediction(key, predicted, prediction.predictors)


def _dead(record: SourceRecord, error: Exception) -> DeadLetter:
    refusal = codec.refusal(record.value, error)
    return DeadLetter(record, refusal.reason, refusal.detail)


def _write_comparisons(state: ComparisonState, outputs: Outputs) -> None:
    """Write the comparisons that the batch completed, and add them to the metrics."""
    decisions, agents, sources = state.decisions, state.tasks.agents, state.decisions.sources
    if not decisions.complete:
        return
    written = outputs.topic(topics.COMPARISONS.name)
    for decision, features, outcome in decisions.complete:
        agent_id = decision.agent_id
        written.append((agent_id.encode(), comparison_json(decision, features, outcome, sources)))
        agent = agent_id if agent_id in agents else ALL_AGENTS
        if outcome.status == "matched":
            state.metrics.add(decision, outcome, sources, agent)
            _calibrate(state, decision, outcome)
        elif outcome.status == "expired":
            state.metrics.add_expired(decision, outcome, sources, agent)
        state.evidence.add(decided(decision, outcome, sources))
    decisions.complete.clear()


def _calibrate(state: ComparisonState, decision: Decision, outcome: Outcome) -> None:
    """Add a matched decision to the tasks by which intervals are corrected."""
    duration_s = outcome.duration_s
    for predicted in decision.predictions:
        sha256 = state.decisions.sources.names[predicted.source][2]
        if predicted.intervals is not None and sha256 and duration_s is not None:
            state.calibration.add(
                sha256,
                predicted.intervals,
                agent_id=decision.agent_id,
                task_id=decision.task_id,
                duration_s=duration_s,
                at_ms=outcome.at_ms,
            )


def _write_corrections(state: ComparisonState, outputs: Outputs, partition: int) -> None:
    """Write the corrections of intervals that changed, each once."""
    written = [
        (key.encode(), None if record is None else codec.encode(record))
        for key, record in state.calibration.close(partition)
    ]
    if written:
        outputs.topic(topics.INTERVAL_CORRECTIONS.name).extend(written)


def _write_evidence(state: ComparisonState, outputs: Outputs, config: ComparisonConfig) -> None:
    """Write the evidence that changed; once an hour of event time, forget the hours that are over."""
    evidence, hour = state.evidence, state.tasks.watermark_ms // HOUR_MS
    write_evidence(outputs, evidence.close(config.partition))
    if hour > evidence.looked_hour:
        evidence.looked_hour = hour
        # A running task expires before it is older than this, and an older start is refused.
        oldest_ms = max(0, state.tasks.watermark_ms - config.expire_after_ms)
        evidence.forget_hours(min(oldest_ms, state.decisions.oldest_start_ms()) // HOUR_MS)


def write_evidence(outputs: Outputs, records: Iterable[KeyedEvidence]) -> None:
    """Add records of verdict-evidence to ``outputs``."""
    written = [
        (key.encode(), None if event is None else codec.encode(event)) for key, event in records
    ]
    if written:
        outputs.topic(topics.VERDICT_EVIDENCE.name).extend(written)


def _write_metrics(state: ComparisonState, outputs: Outputs, config: ComparisonConfig) -> None:
    """Write the metrics and the ledger that changed."""
    watermark_ms, sources = state.tasks.watermark_ms, state.decisions.sources
    written = [
        (key.encode(), codec.encode(_with_word(record, state.words)))
        for key, record in state.metrics.close(watermark_ms, sources, config.partition)
    ]
    ledger = _ledger(state, config.partition)
    if ledger != (state.ledger or Ledger(partition=config.partition)):
        state.ledger = ledger
        written.append((f"ledger|p{config.partition}".encode(), codec.encode(ledger)))
    if written:
        outputs.topic(topics.COMPARISON_METRICS.name).extend(written)


def _with_word(record: ModelMetrics, words: Words) -> ModelMetrics:
    found = words.get((record.model, record.version))
    if found is None or record.slice != "all" or record.window != "all":
        return record
    word, blocked_by = found
    return msgspec.structs.replace(record, verdict=word, blocked_by=list(blocked_by))


def _ledger(state: ComparisonState, partition: int) -> Ledger:
    tasks, decisions = state.tasks, state.decisions
    counts = decisions.counts
    return Ledger(
        partition=partition,
        predictions=counts.predicted,
        matched=counts.matched,
        pending=len(decisions.pending),
        expired=counts.expired,
        cancelled=counts.cancelled,
        duplicate=tasks.duplicate,
        late=tasks.late,
        orphan=tasks.orphan,
        shed=counts.shed,
        incomplete=counts.incomplete,
        unread=state.unread,
    )

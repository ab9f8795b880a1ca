"""Folds records of three topics into the state of the comparison."""

from collections.abc import Sequence
from typing import Final

from gnomon import codec, topics
from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Decisions, Predicted
from gnomon.comparison.publishing import write_comparisons, write_corrections, write_ledger
from gnomon.comparison.state import ComparisonState
from gnomon.errors import EventError
from gnomon.events import PredictionShed, TaskEvent
from gnomon.records import DeadLetter, Outputs, SourceRecord

FEW_DECISIONS: Final = 16
"""A batch that completes no more writes corrections of intervals itself: each takes an eighth of a millisecond."""


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
        Comparisons; the ledger if the batch changed it; the corrections of intervals that changed, if
        the batch is small, otherwise the next tick returns them; dead letters of task-features and
        shadow-predictions. The features stage writes those of task-events.

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
    completed = len(state.decisions.complete)
    write_comparisons(state, outputs)
    if completed <= FEW_DECISIONS:
        write_corrections(state, outputs, config.partition)
    state.decisions.give_up(config)
    write_ledger(state, outputs, config)
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

"""Encodes a complete decision as the JSON of ``events.Comparison``, and extracts what is judged.

The fields of task-features are copied as bytes and never decoded into objects: the record was
validated when it was read.
"""

import msgspec

from gnomon.comparison.decisions import Decision
from gnomon.comparison.sources import Sources
from gnomon.events import Comparison, ModelPrediction, Outcome
from gnomon.verdict import Decided
from gnomon.verdict.evidence.decided import JudgedPrediction

_NULL = msgspec.Raw(b"null")
_EMPTY = msgspec.Raw(b"{}")


class _CopiedFields(msgspec.Struct, gc=False):
    """Fields that a comparison copies from ``events.TaskFeatures``."""

    agent_id: msgspec.Raw
    task_id: msgspec.Raw
    task_type: msgspec.Raw
    started_at_ms: msgspec.Raw
    features: msgspec.Raw
    completeness: msgspec.Raw
    estimate_s: msgspec.Raw = _NULL
    context: msgspec.Raw = _EMPTY
    sealed_context: msgspec.Raw = _NULL
    traceparent: msgspec.Raw = _NULL


class _EncodedComparison(
    msgspec.Struct, gc=False, tag_field="kind", tag=str(Comparison.__struct_config__.tag)
):
    """Fields of ``events.Comparison`` in the same order, with the copied ones as raw JSON."""

    decision_id: str
    agent_id: msgspec.Raw
    task_id: msgspec.Raw
    task_type: msgspec.Raw
    started_at_ms: msgspec.Raw
    features: msgspec.Raw
    completeness: msgspec.Raw
    predictions: list[ModelPrediction]
    outcome: Outcome
    estimate_s: msgspec.Raw
    context: msgspec.Raw
    sealed_context: msgspec.Raw
    tenant: str | None
    traceparent: msgspec.Raw


_decode_copied = msgspec.json.Decoder(_CopiedFields).decode
_encode = msgspec.json.Encoder().encode


def decided(identity: str, decision: Decision, outcome: Outcome, sources: Sources) -> Decided:
    """Return the part of a decision that the verdict judges, as ``Decided.of`` reads it from a comparison."""
    names = sources.names
    return Decided(
        identity,
        decision.started_at_ms,
        decision.agent_id,
        outcome.status,
        outcome.at_ms,
        outcome.duration_s,
        outcome.succeeded,
        tuple(
            JudgedPrediction(*names[p.source], p.duration_s, p.success_probability)
            for p in decision.predictions
        ),
    )


def comparison_json(
    identity: str, decision: Decision, features: bytes, outcome: Outcome, sources: Sources
) -> bytes:
    """Encode a comparison.

    Args:
        identity: The decision's id.
        decision: Ids and predictions of the task.
        features: JSON of the task's record of task-features.
        outcome: How the task ended.
        sources: Names of the models that predicted.

    Returns:
        JSON of the comparison, with the predictions in the order in which they arrived.
    """
    copied = _decode_copied(features)
    predictions = []
    for predicted in decision.predictions:
        model, version, sha256 = sources.names[predicted.source]
        predictions.append(
            ModelPrediction(
                model=model,
                version=version,
                duration_s=predicted.duration_s,
                success_probability=predicted.success_probability,
                sha256=sha256,
                parts=predicted.parts or {},
                intervals=predicted.intervals,
            )
        )
    return _encode(
        _EncodedComparison(
            identity,
            copied.agent_id,
            copied.task_id,
            copied.task_type,
            copied.started_at_ms,
            copied.features,
            copied.completeness,
            predictions,
            outcome,
            copied.estimate_s,
            copied.context,
            copied.sealed_context,
            decision.tenant,
            copied.traceparent,
        )
    )

"""A complete decision as the JSON of ``events.Comparison``.

What is only passed on (the features and all beside them) is copied as bytes, never built as
objects: a record of task-features has been validated when it was read.
"""

import msgspec

from gnomon.comparison.decisions import Decision
from gnomon.comparison.identity import decision_id
from gnomon.comparison.sources import Sources
from gnomon.events import Comparison, ModelPrediction, Outcome

_NULL = msgspec.Raw(b"null")
_EMPTY = msgspec.Raw(b"{}")


class _Facts(msgspec.Struct, gc=False):
    """What a comparison takes over from ``events.TaskFeatures``."""

    agent_id: msgspec.Raw
    task_id: msgspec.Raw
    task_type: msgspec.Raw
    started_at_ms: msgspec.Raw
    features: msgspec.Raw
    completeness: msgspec.Raw
    estimate_s: msgspec.Raw = _NULL
    context: msgspec.Raw = _EMPTY
    sealed_context: msgspec.Raw = _NULL


class _Wire(msgspec.Struct, gc=False, tag_field="kind", tag=str(Comparison.__struct_config__.tag)):
    """Fields of ``events.Comparison``, in its order."""

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


_facts = msgspec.json.Decoder(_Facts).decode
_encode = msgspec.json.Encoder().encode


def comparison_json(
    decision: Decision, features: bytes, outcome: Outcome, sources: Sources
) -> bytes:
    """The comparison's JSON.

    Args:
        decision: Its predictions are taken, in the order they came.
        features: The task's record of task-features.
        outcome: How the task ended.
        sources: Who predicted.
    """
    facts = _facts(features)
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
            )
        )
    return _encode(
        _Wire(
            decision_id(decision.agent_id, decision.task_id),
            facts.agent_id,
            facts.task_id,
            facts.task_type,
            facts.started_at_ms,
            facts.features,
            facts.completeness,
            predictions,
            outcome,
            facts.estimate_s,
            facts.context,
            facts.sealed_context,
        )
    )

"""Explains one decision: what was known, what was predicted and why, and what came."""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from gnomon.comparison import BASELINES
from gnomon.errors import GnomonError
from gnomon.events import (
    Comparison,
    Completeness,
    ContextValue,
    Intervals,
    ModelPrediction,
    Outcome,
    Parts,
)
from gnomon.models.explaining import explain
from gnomon.models.explaining.explanations import Explanation
from gnomon.models.explaining.task_inputs import KnownFeature, baseline_reason, known_features
from gnomon.models.predictor import LoadedModel

LONGEST_LOG_ERROR: Final = math.log(10.0)
"""The greatest log error, as in the verdict: a factor of ten."""

Load = Callable[[str, str, str | None], LoadedModel]
"""Loads a version by the name of its model, its number, and the SHA-256 of its file."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of one prediction; ``None`` if prediction or outcome are not known.

    Attributes:
        absolute_error_s: Distance of the predicted duration from the actual one, seconds.
        log_error: Distance of their ``log(1 + seconds)``, at most ``ln 10``.
        brier: Squared error of the probability of success.
        inside: Whether the actual duration lay inside the interval, by its percentage.
    """

    absolute_error_s: float | None
    log_error: float | None
    brier: float | None
    inside: dict[str, bool]


class PredictionExplained(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded prediction, and why it was made.

    Attributes:
        reason: What a baseline took its duration from; ``None`` of a model.
        explanation: Of a model; ``None`` if there is none.
        missing: Why there is no explanation of a model; ``None`` if there is one.
        reproduced: Whether the version predicts the same now; ``None`` if it cannot be loaded.
    """

    model: str
    version: str
    sha256: str | None
    duration_s: float | None
    success_probability: float | None
    parts: Parts
    intervals: Intervals | None
    losses: Losses
    reason: str | None = None
    explanation: Explanation | None = None
    missing: str | None = None
    reproduced: bool | None = None


class DecisionExplained(msgspec.Struct, frozen=True, kw_only=True):
    """One decision with all that is known of it."""

    decision_id: str
    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: int
    estimate_s: float | None
    features: list[KnownFeature]
    completeness: Completeness
    context: dict[str, ContextValue]
    predictions: list[PredictionExplained]
    outcome: Outcome


def explain_decision(decision: Comparison, load: Load) -> DecisionExplained:
    """Explain a decision. What cannot be explained says why, and the rest is still there.

    Args:
        decision: The decision.
        load: Loads the versions that predicted it; it may raise ``GnomonError``.
    """
    return DecisionExplained(
        decision_id=decision.decision_id,
        agent_id=decision.agent_id,
        task_id=decision.task_id,
        task_type=decision.task_type,
        started_at_ms=decision.started_at_ms,
        estimate_s=decision.estimate_s,
        features=known_features(decision),
        completeness=decision.completeness,
        context=decision.context,
        predictions=[_prediction(decision, each, load) for each in decision.predictions],
        outcome=decision.outcome,
    )


def losses_of(prediction: ModelPrediction, outcome: Outcome) -> Losses:
    """Return the losses of one prediction."""
    absolute_error_s = log_error = brier = None
    actual_s = outcome.duration_s
    inside: dict[str, bool] = {}
    if prediction.duration_s is not None and actual_s is not None:
        absolute_error_s = abs(prediction.duration_s - actual_s)
        distance = abs(math.log1p(prediction.duration_s) - math.log1p(actual_s))
        log_error = min(distance, LONGEST_LOG_ERROR)
    if prediction.success_probability is not None and outcome.succeeded is not None:
        brier = (prediction.success_probability - outcome.succeeded) ** 2
    if prediction.intervals is not None and actual_s is not None:
        by_level = prediction.intervals.by_level.items()
        inside = {level: each.low_s <= actual_s <= each.high_s for level, each in by_level}
    return Losses(
        absolute_error_s=absolute_error_s, log_error=log_error, brier=brier, inside=inside
    )


def _prediction(
    decision: Comparison, prediction: ModelPrediction, load: Load
) -> PredictionExplained:
    recorded = PredictionExplained(
        model=prediction.model,
        version=prediction.version,
        sha256=prediction.sha256,
        duration_s=prediction.duration_s,
        success_probability=prediction.success_probability,
        parts=prediction.parts,
        intervals=prediction.intervals,
        losses=losses_of(prediction, decision.outcome),
        reason=baseline_reason(prediction.model, decision),
    )
    if prediction.model in BASELINES:
        return recorded
    explanation = missing = reproduced = None
    try:
        model = load(prediction.model, prediction.version, prediction.sha256)
        recorded_figures = (prediction.duration_s, prediction.success_probability)
        reproduced = model.predict([decision]) == [recorded_figures]
        explanation = explain(model, decision)
    except GnomonError as error:
        missing = str(error)
    except Exception as error:  # foreign code may raise anything
        missing = f"the version cannot be explained: {error!r}"
    if explanation is None and missing is None:
        missing = "there is no explanation of this kind of model"
    return msgspec.structs.replace(
        recorded, explanation=explanation, missing=missing, reproduced=reproduced
    )

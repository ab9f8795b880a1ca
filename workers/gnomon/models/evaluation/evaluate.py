"""Evaluates a learner at each origin, beside every baseline and the version that it would replace."""

from collections.abc import Sequence
from typing import Final

from gnomon.events import Comparison, ModelPrediction
from gnomon.models import baselines
from gnomon.models.baselines import NOTHING, Predicted
from gnomon.models.evaluation.measures import Evaluation, Measures, Outcomes, measured
from gnomon.models.evaluation.splits import HeldOut
from gnomon.models.protocols import HasTypeTable
from gnomon.models.runs import outcomes_of

CONTROL: Final = "control"
SAME_TYPE: Final = "same-type"
TYPE: Final = "type"
CURRENT: Final = "current"
"""Name of the version that the new one would replace, among the rivals."""


def evaluate(
    held_out: Sequence[HeldOut], *, current_sha256: str | None = None
) -> Evaluation | None:
    """Return the metrics of the models of all origins.

    Args:
        held_out: The predictions of each origin, by time.
        current_sha256: SHA-256 of the model file of the version that the new one would replace. It is
            judged by the predictions that it made in the shadow of production, before each run
            ended: predicted again, it could know runs of its training data.

    Returns:
        ``None`` if there is no origin.
    """
    if not held_out:
        return None
    return Evaluation(origins=tuple(_judged(origin, current_sha256) for origin in held_out))


def _judged(origin: HeldOut, current_sha256: str | None) -> Measures:
    rivals: dict[str, Sequence[Predicted]] = {
        CONTROL: [baselines.control(run) for run in origin.runs],
        SAME_TYPE: [baselines.same_type(run) for run in origin.runs],
    }
    if isinstance(origin.estimator, HasTypeTable):
        types = [run.task_type for run in origin.runs]
        rivals[TYPE] = origin.estimator.type_table_.predict(types)
    if current_sha256 is not None:
        rivals[CURRENT] = [recorded(run, current_sha256) for run in origin.runs]
    actual = Outcomes(*outcomes_of(origin.runs))
    return measured(origin.predicted, actual, rivals, n_train=len(origin.known))


def recorded(run: Comparison, sha256: str) -> Predicted:
    """Return what the model file with ``sha256`` predicted of the run when it started."""
    prediction = prediction_of(run, sha256)
    return (
        NOTHING if prediction is None else (prediction.duration_s, prediction.success_probability)
    )


def prediction_of(run: Comparison, sha256: str) -> ModelPrediction | None:
    """Return the prediction that the model file with ``sha256`` made of the run, if it made one."""
    return next(
        (
            prediction
            for prediction in run.predictions
            if prediction.sha256 == sha256 and prediction.model != TYPE
        ),
        None,
    )

"""Finds the explainer of an estimator."""

from typing import Final, Protocol

import numpy as np

from gnomon.models.explaining.explanations import Explanation, MixExplained
from gnomon.models.explaining.pools import explain_pool
from gnomon.models.explaining.task_models import explain_task_model
from gnomon.models.learners.mix import WITHIN, Mix
from gnomon.models.learners.mix_weights import BOOSTED, POOL, bucket_of
from gnomon.models.predictor import LoadedModel, parts_of_tasks
from gnomon.models.protocols import Columns
from gnomon.models.table import Task, columns_of
from gnomon.models.threads import one_thread


class Explainer(Protocol):
    """Explains the predictions of some kind of estimator."""

    def __call__(self, model: object, columns: Columns) -> Explanation | None:
        """Explain the prediction for the only task of ``columns``; ``None`` for other kinds."""
        ...


def explain_mix(model: object, columns: Columns) -> MixExplained | None:
    """Explain a mix by its weights and by both of its parts; ``None`` if the model is no ``Mix``."""
    if not isinstance(model, Mix):
        return None
    bucket = int(bucket_of(np.asarray(columns["same_type_runs"]))[0])
    weights = model.weights_[bucket]
    _, predicted = model.predict_parts(columns, 1)
    low_s, high_s = model.pool_.estimate(columns, 1, WITHIN).quantiles[0].tolist()
    return MixExplained(
        same_type_runs=bucket,
        weights={POOL: weights.tolist(), BOOSTED: (1.0 - weights).tolist()},
        predicted=parts_of_tasks(predicted)[0],
        within_s=(low_s, high_s),
        parts={
            POOL: explain_pool(model.pool_, columns),
            BOOSTED: explain_task_model(model.boosted_, columns),
        },
    )


EXPLAINERS: Final[tuple[Explainer, ...]] = (explain_mix, explain_pool, explain_task_model)
"""The explainers, in the order in which they are tried."""


def explain(model: LoadedModel, task: Task) -> Explanation | None:
    """Explain what ``model`` predicts for ``task``; ``None`` for a kind of model without explainer."""
    columns = columns_of([task], model.inputs)
    with one_thread():
        found = (explainer(model.estimator, columns) for explainer in EXPLAINERS)
        return next((each for each in found if each is not None), None)

"""Splits runs by time: a model is fitted on the runs that had ended at an origin, and predicts later ones.

This is how a model works in production: it is trained, and then predicts runs that begin afterwards.
L. J. Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of Forecasting 16
(2000), calls it a rolling origin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from gnomon.events import Comparison
from gnomon.models.protocols import Estimator, Learner, LearnsFromRecord
from gnomon.models.runs import MIN_DECISIONS, outcomes_of
from gnomon.models.table import COLUMNS, Column, context_columns, to_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The time-ordered splits of an evaluation.

    Each of ``origins`` models predicts the next ``share`` of the runs; the last one predicts the
    newest runs. No run is predicted twice.

    Raises:
        ValueError: ``origins`` is below 1, or no runs are left before the first origin.
    """

    origins: int = 1
    share: float = 0.2

    def __post_init__(self) -> None:
        """Check that the origins leave runs to train on."""
        if self.origins < 1 or not 0.0 < self.share * self.origins < 1.0:
            raise ValueError(
                f"origins must be at least 1, and origins times share between 0 and 1;"
                f" got {self.origins} and {self.share}"
            )


class HeldOut(NamedTuple):
    """Later runs, with the predictions of a model that was trained on none of them.

    Attributes:
        runs: The runs on which the model is judged.
        known: The runs on which it was fitted; all had ended when the first of ``runs`` began.
        columns: Its input columns.
        estimator: The fitted model.
        predicted: Its predictions, one row for each of ``runs``.
    """

    runs: Sequence[Comparison]
    known: Sequence[Comparison]
    columns: tuple[Column, ...]
    estimator: Estimator
    predicted: pd.DataFrame


class Fitted(NamedTuple):
    """A model, and its input columns."""

    estimator: Estimator
    columns: tuple[Column, ...]


def fitted(learner: Learner, runs: Sequence[Comparison]) -> Fitted:
    """Fit ``learner`` on ``runs``, and on their recorded predictions if it uses them."""
    columns = (*COLUMNS, *context_columns(runs))
    learner = learner.with_record(runs) if isinstance(learner, LearnsFromRecord) else learner
    return Fitted(learner.fit(to_frame(runs, columns), *outcomes_of(runs)), columns)


def splits(runs: Sequence[Comparison], learner: Learner, plan: Plan) -> Iterator[HeldOut]:
    """Yield what the model of each origin predicts, by time.

    An origin is left out if fewer than ``MIN_DECISIONS`` runs had ended by then.

    Args:
        runs: The runs that ``usable_runs`` returned.
        learner: Makes the models.
        plan: The origins.
    """
    size = max(1, round(len(runs) * plan.share))
    for number in range(plan.origins, 0, -1):
        begin = len(runs) - number * size
        if begin < MIN_DECISIONS:
            continue
        later = runs[begin : begin + size]
        began_ms = later[0].started_at_ms
        known = [
            run
            for run in runs[:begin]
            if run.outcome.at_ms <= began_ms and run.started_at_ms < began_ms
        ]
        if len(known) < MIN_DECISIONS:
            continue
        model, columns = fitted(learner, known)
        yield HeldOut(later, known, columns, model, model.predict(to_frame(later, columns)))

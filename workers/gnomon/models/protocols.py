"""What a learner and the estimators it makes must be able to do, and what they may."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.events import Comparison
from gnomon.models.learners.type_table import TypeTable

DURATION = "duration_s"
SUCCESS = "success_probability"

Columns = Mapping[str, Any]
"""Inputs by name, as ``table.columns_of`` gives them: numbers, or strings and ``None``."""


class Estimator(Protocol):
    """What is registered: takes a frame of ``table``'s columns, gives a frame of predictions."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each of ``frame``: ``duration_s``, ``success_probability``, or one of them."""


@runtime_checkable
class PredictsColumns(Protocol):
    """An estimator of gnomon's own, which needs no frame and predicts both quantities."""

    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Seconds and probability of success, shape ``(count, 2)``."""


@runtime_checkable
class PredictsParts(Protocol):
    """An estimator that mixes others and tells what each of them predicted."""

    def predict_parts(
        self, columns: Columns, count: int
    ) -> tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
        """What ``predict_columns`` gives, and the same of each part by its name."""


@runtime_checkable
class PredictsQuantiles(Protocol):
    """An estimator that knows how far durations spread."""

    def predict_quantiles(
        self,
        columns: Columns,
        count: int,
        levels: Sequence[float],
        *,
        durations: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Quantiles of the duration in seconds, shape ``(count, len(levels))``.

        ``durations`` are the seconds predicted of the same tasks, shape ``(count,)``: an estimator
        that needs them predicts again without.
        """


@runtime_checkable
class HasTypeTable(Protocol):
    """An estimator with the table that the baseline ``type`` is read from."""

    type_table_: TypeTable


class Learner(Protocol):
    """Makes an estimator from finished runs."""

    @property
    def name(self) -> str:
        """Noted beside the registered version."""

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Estimator:
        """Learn from one row a run, by time; the same rows always give the same estimator."""


@runtime_checkable
class LearnsFromRecord(Protocol):
    """A learner that also learns from what earlier versions really predicted."""

    def with_record(self, runs: Sequence[Comparison]) -> Self:
        """The same learner with what the recorded predictions of ``runs`` teach; they have ended."""

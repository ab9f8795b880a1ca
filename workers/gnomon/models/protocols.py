"""Defines the protocols of learners and of the estimators they make."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.events import Comparison
from gnomon.models.learners.type_table import TypeTable

DURATION = "duration_s"
SUCCESS = "success_probability"

Columns = Mapping[str, Any]
"""Inputs by name, as ``table.columns_of`` returns them: numbers, or strings and ``None``."""


class Estimator(Protocol):
    """Maps a frame of ``table``'s columns to a frame of predictions; estimators are registered."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each row of ``frame``: ``duration_s``, ``success_probability``, or one of them."""


@runtime_checkable
class PredictsColumns(Protocol):
    """An estimator of gnomon's own, which needs no frame and predicts both quantities."""

    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Return seconds and probability of success, shape ``(count, 2)``."""


class Estimates(NamedTuple):
    """All that an estimator predicts of a batch of ``n`` tasks.

    Attributes:
        values: Seconds and probability of success, shape ``(n, 2)``.
        quantiles: Quantiles of the duration in seconds, shape ``(n, levels)``.
        parts: What ``values`` is, of each part of a mix by its name.
    """

    values: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]] = {}


@runtime_checkable
class PredictsQuantiles(Protocol):
    """An estimator of gnomon's own that also knows how far durations spread."""

    def estimate(self, columns: Columns, count: int, levels: Sequence[float]) -> Estimates:
        """Return values, parts, and the quantiles at ``levels``, each in (0, 1), for ``count`` tasks."""


@runtime_checkable
class HasTypeTable(Protocol):
    """An estimator with the table from which the baseline ``type`` predicts."""

    type_table_: TypeTable


class Learner(Protocol):
    """Makes an estimator from finished runs."""

    @property
    def name(self) -> str:
        """Return the name that is stored with the registered version."""

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Estimator:
        """Learn from one row for each run, by time; the same rows always give the same estimator."""


@runtime_checkable
class LearnsFromRecord(Protocol):
    """A learner that also uses recorded predictions of earlier versions."""

    def with_record(self, runs: Sequence[Comparison]) -> Self:
        """Return the learner fitted to the recorded predictions of ``runs``, which have ended."""

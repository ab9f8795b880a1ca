"""Defines the estimator of trees: categories as smoothed means, then two scikit-learn models.

One agent's runs affect predictions for another through the means of each task type. All state is in
arrays, strings and scikit-learn models, so that skops can store it without pickle.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.learners import forests
from gnomon.models.learners.columnwise import Columnwise, strings_of
from gnomon.models.learners.type_table import TypeTable
from gnomon.models.protocols import Columns

_SMOOTHING: Final = 5.0
"""Number of rows with the overall mean that are added to a category's own when its mean is computed."""

_FOLDS: Final = 5
_MAX_CATEGORIES: Final = 1_000
"""Most strings that one column keeps, the most frequent ones: free text must not fill the registry."""


class Model(Protocol):
    """A scikit-learn regressor or classifier that accepts ``nan``."""

    def fit(self, rows: NDArray[np.float64], targets: NDArray[Any]) -> Any:
        """Learn from rows of shape ``(n, columns)`` and targets of shape ``(n,)``."""

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each row."""


class Categories:
    """Maps the strings of one column to smoothed means of the targets.

    Attributes:
        names_: The strings that have a mean of their own.
        means_: Shape ``(len(names_) + 1, targets)``; the last row is for every other string.
    """

    names_: NDArray[np.str_]
    means_: NDArray[np.float64]

    def fit(self, strings: Sequence[str | None], targets: NDArray[np.float64]) -> Self:
        """Learn the means of ``targets``, shape ``(n, targets)``, by string."""
        counts = Counter(s for s in strings if s is not None)
        names = [name for name, _ in counts.most_common(_MAX_CATEGORIES)]
        at = {name: index for index, name in enumerate(names)}
        index = np.array([at.get(s, len(names)) if s is not None else len(names) for s in strings])
        overall = targets.mean(axis=0)
        size = len(names) + 1
        n = np.bincount(index, minlength=size)[:, None]
        sums = np.stack([np.bincount(index, column, size) for column in targets.T], axis=1)
        self.means_ = (sums + _SMOOTHING * overall) / (n + _SMOOTHING)
        self.means_[-1] = overall
        self.names_ = np.array(names, dtype=np.str_)
        return self

    def transform(self, strings: Iterable[object]) -> NDArray[np.float64]:
        """Return the means of each string, shape ``(n, targets)``."""
        lookup: dict[object, int] | None = self.__dict__.get("_lookup")
        if lookup is None:
            lookup = {name: index for index, name in enumerate(self.names_.tolist())}
            self.__dict__["_lookup"] = lookup
        other = len(lookup)
        return self.means_[[lookup.get(s, other) for s in strings]]

    def __getstate__(self) -> dict[str, Any]:
        """Return the stored state, without the dictionary, which follows from ``names_``."""
        return {"names_": self.names_, "means_": self.means_}


class TaskModel(Columnwise):
    """Predicts how long a task takes and whether it succeeds.

    Durations are learnt as logarithms, so that long tasks do not dominate short ones.

    Args:
        duration: An unfitted regressor.
        success: An unfitted classifier with ``predict_proba``.
        seed: Seed of the folds.
        logarithmic: Whether the models are given the ``arcsinh`` of numbers, which is nearly their
            logarithm where they are large; trees need no such thing.

    Attributes:
        doubles_: Numeric input columns, without those that were always missing.
        strings_: Input columns of strings, which are replaced by means.
        success_: ``None`` if all runs, or none, had succeeded; then ``rate_`` is predicted.
        longest_: ``log1p`` of the longest duration that is predicted: ten times that of any run.
        type_table_: The table from which the baseline ``type`` predicts.
    """

    logarithmic = False
    longest_ = np.inf

    def __init__(
        self, duration: Model, success: Any, *, seed: int = 0, logarithmic: bool = False
    ) -> None:
        self.duration_, self.success_, self.seed = duration, success, seed
        self.logarithmic = logarithmic
        self.rate_ = 0.5

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Self:
        """Learn from one row for each run; durations in seconds.

        A run's categories are the means of the other four fifths of the runs, because its own outcome
        must not be part of its input.
        """
        doubles = frame.select_dtypes("float64")
        self.strings_ = [name for name in frame if name not in doubles]
        self.doubles_ = [name for name in doubles if doubles[name].notna().any()]
        logs = np.log1p(durations)
        targets = np.column_stack([logs, successes])
        strings = {name: strings_of(frame, name) for name in self.strings_}
        self.categories_ = [Categories().fit(strings[name], targets) for name in self.strings_]
        means = [self._held_out_means(strings[name], targets) for name in self.strings_]
        rows = np.hstack([self._numbers(frame, len(frame)), *means])
        self.duration_.fit(rows, logs)
        self.longest_ = float(np.log1p(10.0 * durations.max()))
        self.type_table_ = TypeTable().fit(strings.get("task_type", []), durations, successes)
        self.rate_ = float(successes.mean())
        if 0.0 < self.rate_ < 1.0:
            self.success_.fit(rows, successes)
        else:
            self.success_ = None
        return self

    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Return seconds and probability of success, shape ``(count, 2)``."""
        rows = self.rows_of(columns, count)
        predicted = np.empty((count, 2))
        logs = np.minimum(forests.regression(self.duration_, rows), self.longest_)
        predicted[:, 0] = np.maximum(np.expm1(logs), 0.0)
        if self.success_ is None:
            predicted[:, 1] = self.rate_
        else:
            predicted[:, 1] = forests.probability(self.success_, rows)
        return predicted

    @property
    def row_names(self) -> list[str]:
        """Return the input column from which each value of a row was made; strings make two."""
        return [*self.doubles_, *(name for name in self.strings_ for _ in range(2))]

    @property
    def input_names(self) -> list[str]:
        """Return a name for each value of a row."""
        of_strings = (
            f"{name}: {of}" for name in self.strings_ for of in ("log duration", "success")
        )
        return [*self.doubles_, *of_strings]

    def rows_of(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Return the rows that both models are given, shape ``(count, len(row_names))``."""
        means = [
            categories.transform(columns[name])
            for name, categories in zip(self.strings_, self.categories_, strict=True)
        ]
        return np.hstack([self._numbers(columns, count), *means])

    def _numbers(self, columns: Any, count: int) -> NDArray[np.float64]:
        """Return the numeric columns, shape ``(count, len(doubles_))``."""
        rows = np.empty((count, len(self.doubles_)))
        for index, name in enumerate(self.doubles_):
            rows[:, index] = columns[name]
        return np.arcsinh(rows) if self.logarithmic else rows

    def _held_out_means(
        self, strings: list[Any], targets: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        means = np.empty_like(targets)
        fold = np.random.default_rng(self.seed).permutation(len(strings)) % _FOLDS
        text = np.array(strings, dtype=object)
        for held_out in range(_FOLDS):
            inside = fold == held_out
            if inside.any():
                rest = Categories().fit(text[~inside].tolist(), targets[~inside])
                means[inside] = rest.transform(text[inside])
        return means

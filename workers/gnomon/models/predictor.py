"""Predicts started tasks with a registered version that is in memory."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnomon.events import Parts
from gnomon.models.baselines import Predicted
from gnomon.models.protocols import (
    DURATION,
    SUCCESS,
    Estimator,
    HasTypeTable,
    PredictsColumns,
    PredictsQuantiles,
)
from gnomon.models.table import Column, Task, columns_of, to_frame
from gnomon.models.threads import stay_in_this_thread


class Predictions(NamedTuple):
    """The predictions of a model and of its parts for a batch.

    Attributes:
        figures: Seconds and probability of success for each task, in the order of the tasks.
        parts: The same for each part by its name, for each task; ``None`` for a model without parts.
        quantiles: Of each task's duration in seconds, shape ``(tasks, levels)``; ``nan`` where no
            duration was predicted. ``None`` for a model that has none.
    """

    figures: list[Predicted]
    parts: list[Parts] | None = None
    quantiles: NDArray[np.float64] | None = None


def parts_of_tasks(parts: Mapping[str, NDArray[np.float64]]) -> list[Parts]:
    """Convert arrays of shape ``(n, 2)`` by name to a dictionary for each task, with five digits.

    NaN becomes ``None``.
    """
    names = list(parts)
    by_task = zip(*(values.tolist() for values in parts.values()), strict=True)
    return [
        {name: [_rounded(x) for x in of_part] for name, of_part in zip(names, of_task, strict=True)}
        for of_task in by_task
    ]


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


class LoadedModel:
    """One model version. Safe to call from any thread, starts none itself.

    Args:
        name: Name of the registered model.
        version: Its number in the registry.
        sha256: SHA-256 of the model file, hexadecimal.
        estimator: Its ``predict`` takes a frame of ``inputs`` and returns one column for each output.
        inputs: The columns it was trained on.
        outputs: ``duration_s``, ``success_probability`` or both, in the order of its columns.

    Attributes:
        type_table: Median duration and success rate of each type; ``None`` if the model has none.
        estimator: As it was given.
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        sha256: str,
        estimator: Estimator,
        inputs: Sequence[Column],
        outputs: Sequence[str],
    ) -> None:
        self.name, self.version, self.sha256 = name, version, sha256
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.type_table = estimator.type_table_ if isinstance(estimator, HasTypeTable) else None
        self.estimator = estimator
        # Checked once, because a check of a protocol's methods would add to the time of each call.
        columnwise = self.outputs == (DURATION, SUCCESS)
        self._by_columns = (
            estimator if columnwise and isinstance(estimator, PredictsColumns) else None
        )
        self._by_quantiles = (
            estimator if columnwise and isinstance(estimator, PredictsQuantiles) else None
        )

    def __repr__(self) -> str:
        return f"LoadedModel(name={self.name!r}, version={self.version!r})"

    def predict(self, tasks: Sequence[Task]) -> list[Predicted]:
        """Return seconds and probability of success for each task, in the order of ``tasks``.

        Seconds are at least 0 and probabilities in [0, 1]. A quantity that the model does not
        predict, or for which it returns NaN, is ``None``.

        Raises:
            ValueError: The model did not return one row for each task and one column for each output.
        """
        if not tasks:
            return []
        stay_in_this_thread()
        return self._figures(self._values(tasks), len(tasks))

    def predict_whole(self, tasks: Sequence[Task], levels: Sequence[float]) -> Predictions:
        """Return what ``predict`` returns, the predictions of each part of a mix, and quantiles.

        Args:
            tasks: The tasks.
            levels: Levels of the quantiles, each in (0, 1).

        Raises:
            ValueError: As ``predict``.
        """
        if not tasks:
            return Predictions([])
        if self._by_quantiles is None:
            return Predictions(self.predict(tasks))
        stay_in_this_thread()
        found = self._by_quantiles.estimate(columns_of(tasks, self.inputs), len(tasks), levels)
        parts = parts_of_tasks(found.parts) if found.parts else None
        return Predictions(self._figures(found.values, len(tasks)), parts, found.quantiles)

    def _figures(self, values: NDArray[np.float64], count: int) -> list[Predicted]:
        if values.ndim == 1:
            values = values[:, None]
        if values.shape != (count, len(self.outputs)):
            raise ValueError(
                f"model gave shape {values.shape}, expected {(count, len(self.outputs))}"
            )
        durations = self._column(values, DURATION, upper=math.inf)
        probabilities = self._column(values, SUCCESS, upper=1.0)
        return list(zip(durations, probabilities, strict=True))

    def _values(self, tasks: Sequence[Task]) -> NDArray[np.float64]:
        if self._by_columns is not None:
            return self._by_columns.predict_columns(columns_of(tasks, self.inputs), len(tasks))
        return np.asarray(self.estimator.predict(to_frame(tasks, self.inputs)), np.float64)

    def _column(
        self, values: NDArray[np.float64], output: str, *, upper: float
    ) -> list[float | None]:
        if output not in self.outputs:
            return [None] * len(values)
        column = values[:, self.outputs.index(output)]
        clamped: list[float | None] = np.clip(column, 0.0, upper).tolist()
        finite = np.isfinite(column)
        if finite.all():
            return clamped
        return [value if ok else None for value, ok in zip(clamped, finite, strict=True)]

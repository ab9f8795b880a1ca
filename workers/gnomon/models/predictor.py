"""A registered version in memory: started tasks in, predictions in the same order out."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.models.estimator import DURATION, SUCCESS, TaskModel
from gnomon.models.learners import Estimator
from gnomon.models.table import Column, Task, columns_of, to_frame
from gnomon.models.threads import stay_in_this_thread

Predicted = tuple[float | None, float | None]


class LoadedModel:
    """One model version. Safe to call from any thread, starts none itself.

    Args:
        name: Of the registered model.
        version: As the registry numbers it.
        sha256: Of the model file, hexadecimal.
        estimator: Its ``predict`` takes a frame of ``inputs``, gives one column an output.
        inputs: The columns it was trained on.
        outputs: ``duration_s``, ``success_probability`` or both, in the order of its columns.
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
        self._estimator = estimator

    def __repr__(self) -> str:
        return f"LoadedModel(name={self.name!r}, version={self.version!r})"

    def predict(self, tasks: Sequence[Task]) -> list[Predicted]:
        """Seconds and probability of success of each task, in the order of ``tasks``.

        Seconds are at least 0, probabilities in [0, 1]; ``None`` is what the model does not
        predict, or predicted as no number.

        Raises:
            ValueError: The model did not give one row a task and one column an output.
        """
        if not tasks:
            return []
        stay_in_this_thread()
        values = self._values(tasks)
        if values.ndim == 1:
            values = values[:, None]
        if values.shape != (len(tasks), len(self.outputs)):
            raise ValueError(
                f"model gave shape {values.shape}, expected {(len(tasks), len(self.outputs))}"
            )
        durations = self._column(values, DURATION, upper=math.inf)
        probabilities = self._column(values, SUCCESS, upper=1.0)
        return list(zip(durations, probabilities, strict=True))

    def _values(self, tasks: Sequence[Task]) -> NDArray[np.float64]:
        if isinstance(self._estimator, TaskModel) and self.outputs == (DURATION, SUCCESS):
            return self._estimator.predict_columns(columns_of(tasks, self.inputs), len(tasks))
        return np.asarray(self._estimator.predict(to_frame(tasks, self.inputs)), np.float64)

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

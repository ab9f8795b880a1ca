"""Converts a frame to columns, for estimators that are also called without a frame."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.protocols import DURATION, SUCCESS, Columns


class Columnwise(ABC):
    """An estimator of durations and probabilities that works on columns.

    Attributes:
        strings_: Names of the input columns of strings.
        doubles_: Names of the input columns of numbers.
    """

    strings_: list[str]
    doubles_: list[str]

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return columns ``duration_s`` and ``success_probability``, one row for each row of ``frame``."""
        columns: dict[str, Any] = {name: strings_of(frame, name) for name in self.strings_}
        columns |= {name: frame[name].to_numpy(np.float64) for name in self.doubles_}
        return pd.DataFrame(self.predict_columns(columns, len(frame)), columns=[DURATION, SUCCESS])

    @abstractmethod
    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Predict without a frame: making one takes longer than the prediction of a small batch.

        Args:
            columns: The columns that ``table.columns_of`` returns: numbers, or strings and ``None``.
            count: Length of each column.

        Returns:
            Shape ``(count, 2)``.
        """


def strings_of(frame: pd.DataFrame, name: str) -> list[str | None]:
    """Return a column's strings; a missing value becomes a string that no category has."""
    return [s if isinstance(s, str) else None for s in frame[name].tolist()]

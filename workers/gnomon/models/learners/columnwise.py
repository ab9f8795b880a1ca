"""From a frame to columns, for estimators that are also called without a frame."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.protocols import DURATION, SUCCESS, Columns


class Columnwise(ABC):
    """An estimator of both quantities that works on columns.

    Attributes:
        strings_: Names of its inputs that are strings.
        doubles_: Names of those that are numbers.
    """

    strings_: list[str]
    doubles_: list[str]

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns ``duration_s`` and ``success_probability``, one row for each of ``frame``."""
        columns: dict[str, Any] = {name: strings_of(frame, name) for name in self.strings_}
        columns |= {name: frame[name].to_numpy(np.float64) for name in self.doubles_}
        return pd.DataFrame(self.predict_columns(columns, len(frame)), columns=[DURATION, SUCCESS])

    @abstractmethod
    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """``predict`` without a frame, which takes longer to make than a small batch to predict.

        Args:
            columns: As ``table.columns_of`` gives them: numbers, or strings and ``None``.
            count: Their length.

        Returns:
            Shape ``(count, 2)``.
        """


def strings_of(frame: pd.DataFrame, name: str) -> list[str | None]:
    """A column's strings; what is missing is something that no category is called."""
    return [s if isinstance(s, str) else None for s in frame[name].tolist()]

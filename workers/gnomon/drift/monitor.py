"""Watches one model version: its losses, and its features against the rows that it was trained on."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Self

import msgspec
import numpy as np

from gnomon.drift.features import LEAST_ROWS, FeatureReference, references, shift
from gnomon.drift.losses import LossChange, LossWatch, scaled_loss
from gnomon.drift.notices import Word, notice, word_of_shift

MOST_ROWS: Final = 1_000
"""Number of latest rows that are compared with the training rows."""
MOST_CHANGES: Final = 50
"""Number of latest changes of the loss that are kept."""


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far one feature has moved, see ``FeatureShift``."""

    word: Word
    psi: float
    distance: float | None


class Drift(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a monitor has found.

    Attributes:
        word: The most serious severity.
        training_rows: Number of rows that features are compared with; ``rows``: of later rows.
        features: The features, the farthest moved first; empty if there are too few rows.
        changes: The latest changes of the mean loss, in the order of time.
    """

    word: Word
    training_rows: int
    rows: int
    features: dict[str, FeatureDrift]
    changes: list[LossChange]


class Monitor:
    """Watches one model version, in bounded memory.

    Args:
        references: Distribution of each feature in the training rows; may be empty.
        rows: Number of latest rows that are compared with them.
    """

    def __init__(
        self, references: Mapping[str, FeatureReference], *, rows: int = MOST_ROWS
    ) -> None:
        self._references = dict(references)
        self._rows: deque[tuple[float, ...]] = deque(maxlen=rows)
        self._watch = LossWatch()
        self._changes: deque[LossChange] = deque(maxlen=MOST_CHANGES)

    @classmethod
    def trained_on(
        cls, names: Sequence[str], rows: Sequence[Sequence[float]], *, latest: int = MOST_ROWS
    ) -> Self:
        """Return a monitor of a model that was trained on ``rows``, each with a number for every name.

        With fewer than ``LEAST_ROWS`` rows no feature is compared.
        """
        if len(rows) < LEAST_ROWS:
            return cls({}, rows=latest)
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), len(names)).T
        return cls(references(dict(zip(names, columns, strict=True))), rows=latest)

    @property
    def training_rows(self) -> int:
        """Return the number of training rows that features are compared with."""
        return max((each.rows for each in self._references.values()), default=0)

    def add_features(self, values: Mapping[str, float]) -> None:
        """Add the features of the next task; NaN, or no value, counts as missing."""
        self._rows.append(tuple(values.get(name, np.nan) for name in self._references))

    def add_outcome(self, predicted_s: float, actual_s: float, *, at_ms: int) -> LossChange | None:
        """Add the duration of the next task; return the change of the mean loss that it completes.

        Args:
            predicted_s: Predicted duration in seconds; at least 0.
            actual_s: Actual duration in seconds; at least 0.
            at_ms: Time of the task, epoch milliseconds.

        Raises:
            ValueError: One of the durations is negative or not a number.
        """
        change = self._watch.update(scaled_loss(predicted_s, actual_s), at_ms)
        if change is not None:
            self._changes.append(change)
        return change

    def drift(self, *, is_harmful: bool = False) -> Drift:
        """Return what has been found so far.

        Args:
            is_harmful: Whether a verdict found that the model is surely worse than a baseline.
        """
        rows = np.array(self._rows, dtype=np.float64).reshape(
            len(self._rows), len(self._references)
        )
        shifts = {
            name: shift(reference, rows[:, place])
            for place, (name, reference) in enumerate(self._references.items())
        }
        latest = self._changes[-1] if self._changes else None
        found = {
            name: FeatureDrift(word=word_of_shift(each), psi=each.psi, distance=each.distance)
            for name, each in shifts.items()
            if each is not None
        }
        return Drift(
            word=notice(shifts, latest, is_harmful=is_harmful).word,
            training_rows=self.training_rows,
            rows=len(self._rows),
            features=dict(sorted(found.items(), key=lambda pair: (-pair[1].psi, pair[0]))),
            changes=list(self._changes),
        )

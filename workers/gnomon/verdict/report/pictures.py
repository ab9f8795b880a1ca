"""Collects the data of each model's charts: a bounded amount, whatever the log's length."""

import math
from dataclasses import dataclass, field
from typing import Final

from gnomon.verdict.challenger import LOG_LOSS
from gnomon.verdict.checks import is_enough
from gnomon.verdict.decided import Decided
from gnomon.verdict.evidence import Evidence, by_key
from gnomon.verdict.result import Bounded
from gnomon.verdict.sequence import Plan, improvement
from gnomon.verdict.series import Series
from gnomon.verdict.sums import T

CELLS: Final = 28
"""Number of cells on each axis of the chart of durations: from 0.1 s on, four to a factor of ten."""
RESIDUALS: Final = 41
"""Number of bins of ln((predicted + 1) / (actual + 1)), each 1/8 wide, the outer ones open."""
SHARES: Final = 10
_MOST_LOOKS: Final = 240


@dataclass(frozen=True, slots=True)
class Look:
    """The improvement over the reference, as known after an hour (counted from 1970)."""

    hour: int
    found: Bounded


@dataclass(slots=True)
class Pictures:
    """The data of one model's charts.

    Attributes:
        looks: The looks in the order of time; if there are many, only some are kept.
        durations: Number of decisions by cell of the actual and cell of the predicted duration.
        residuals: Number of decisions by bin, for the model and for the reference baseline.
        reliability: By tenth of the predicted probability: number of decisions, sum of
            probabilities, number of successes.
    """

    looks: list[Look] = field(default_factory=list)
    durations: dict[tuple[int, int], int] = field(default_factory=dict)
    residuals: tuple[list[int], list[int]] = field(
        default_factory=lambda: ([0] * RESIDUALS, [0] * RESIDUALS)
    )
    reliability: list[list[float]] = field(
        default_factory=lambda: [[0, 0.0, 0] for _ in range(SHARES)]
    )


class Album:
    """Collects the charts of all models; decisions must be added in the order of their hours."""

    def __init__(self, evidence: Evidence) -> None:
        self.pictures: dict[str, Pictures] = {}
        self._evidence, self._plan = evidence, Plan.of(evidence.settings)
        self._hours, self._every = 0, 1

    def add(self, decided: Decided) -> None:
        """Add one decision, if it has matched."""
        actual_s = decided.duration_s
        if decided.started_at_ms < self._evidence.settings.registered_at_ms:
            return
        baselines, models = by_key(decided.predictions)
        reference = baselines.get(self._evidence.settings.reference)
        for key, prediction in models.items():
            drawn = self.pictures.setdefault(key, Pictures())
            if actual_s is not None and prediction.duration_s is not None:
                cell = _cell(actual_s), _cell(prediction.duration_s)
                drawn.durations[cell] = drawn.durations.get(cell, 0) + 1
                drawn.residuals[0][_residual(prediction.duration_s, actual_s)] += 1
                if reference is not None and reference.duration_s is not None:
                    drawn.residuals[1][_residual(reference.duration_s, actual_s)] += 1
            if decided.succeeded is not None and prediction.success_probability is not None:
                q = prediction.success_probability
                tenth = drawn.reliability[min(SHARES - 1, int(q * SHARES))]
                tenth[0] += 1
                tenth[1] += q
                tenth[2] += decided.succeeded

    def look(self, hour: int) -> None:
        """Add the improvement that is known after the hours before ``hour`` were closed."""
        self._hours += 1
        if self._hours % self._every:
            return
        settings = self._evidence.settings
        for key, challenger in self._evidence.challengers.items():
            versus = challenger.against.get(settings.reference)
            sums = None if versus is None else versus.sums.get(LOG_LOSS)
            if sums is None or not sums.blocks[T]:
                continue
            series = Series.of(sums)
            estimate, low, high = improvement(series, self._plan)
            enough = is_enough(series, settings) and math.isfinite(low)
            found = Bounded(
                estimate=estimate if math.isfinite(estimate) else None,
                low=low if enough else None,
                high=high if enough else None,
            )
            self.pictures.setdefault(key, Pictures()).looks.append(Look(hour - 1, found))
        if max((len(each.looks) for each in self.pictures.values()), default=0) > _MOST_LOOKS:
            self._every *= 2
            for each in self.pictures.values():
                each.looks = each.looks[1::2]


def edge_s(cell: float) -> float:
    """Return the lower edge of a cell of durations, in seconds."""
    return float(10 ** (cell / 4 - 1))


def _cell(seconds: float) -> int:
    if not seconds > edge_s(0):
        return 0
    return min(CELLS - 1, int((math.log10(seconds) + 1) * 4)) if seconds < math.inf else CELLS - 1


def _residual(predicted_s: float, actual_s: float) -> int:
    if not predicted_s < math.inf:
        return RESIDUALS - 1
    eighths = math.log((predicted_s + 1) / (actual_s + 1)) * 8
    return min(RESIDUALS - 1, max(0, round(eighths) + RESIDUALS // 2))

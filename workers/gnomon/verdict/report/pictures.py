"""Collects the data of each model's charts: a bounded amount, whatever the log's length."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from gnomon.drift import scaled_loss
from gnomon.verdict.checks import is_enough
from gnomon.verdict.evidence.decided import Decided, JudgedPrediction
from gnomon.verdict.evidence.evidence import Evidence, by_key
from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import T
from gnomon.verdict.evidence.task_losses import LOG_LOSS
from gnomon.verdict.report.covered import Covered
from gnomon.verdict.report.rolling import Rolling
from gnomon.verdict.result import Bounded
from gnomon.verdict.sequence import Plan, improvement
from gnomon.verdict.slices import Slices

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
        ledger: Number of predictions: ``predicted``; by status; and of the matched ones, ``scored``,
            ``immature`` and ``unpredicted`` (without a predicted duration).
        losses: Mean loss of the model and of the reference baseline, scaled as for drift.
    """

    looks: list[Look] = field(default_factory=list)
    durations: dict[tuple[int, int], int] = field(default_factory=dict)
    residuals: tuple[list[int], list[int]] = field(
        default_factory=lambda: ([0] * RESIDUALS, [0] * RESIDUALS)
    )
    reliability: list[list[float]] = field(
        default_factory=lambda: [[0, 0.0, 0] for _ in range(SHARES)]
    )
    slices: Slices = field(default_factory=Slices)
    covered: dict[str, Covered] = field(default_factory=dict)
    ledger: Counter[str] = field(default_factory=Counter)
    losses: tuple[Rolling, Rolling] = field(default_factory=lambda: (Rolling(), Rolling()))


class Album:
    """Collects the charts of all models; decisions must be added in the order of their predictions.

    Attributes:
        pictures: The data of each model by SHA-256, or by name and version if there is none.
        ledger: Number of decisions by status, and of those before the registration (``unregistered``).
    """

    def __init__(self, evidence: Evidence) -> None:
        self.pictures: dict[str, Pictures] = {}
        self.ledger: Counter[str] = Counter()
        self._evidence, self._plan = evidence, Plan.of(evidence.settings)
        self._hours, self._every = 0, 1

    def add(self, decided: Decided, *, watermark_ms: int) -> None:
        """Add one decision.

        Args:
            decided: The decision with its outcome.
            watermark_ms: The time up to which decisions are known (epoch milliseconds).
        """
        self.ledger[decided.status] += 1
        if decided.started_at_ms < self._evidence.settings.registered_at_ms:
            self.ledger["unregistered"] += 1
            return
        mature_ms = decided.started_at_ms + self._evidence.window.mature_after_ms
        settings = self._evidence.settings
        baselines, models = by_key(decided.predictions, settings.judged_baselines)
        for key, prediction in models.items():
            # A judged baseline is not compared with itself.
            is_itself = prediction.model == settings.reference
            reference = None if is_itself else baselines.get(settings.reference)
            drawn = self.pictures.setdefault(key, Pictures())
            _account(drawn.ledger, decided, prediction, is_mature=mature_ms <= watermark_ms)
            _durations(drawn, decided, prediction, reference)
            _success(drawn, decided, prediction)
            drawn.slices.add(decided, prediction, reference, is_mature=mature_ms <= watermark_ms)

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


def _account(
    ledger: Counter[str], decided: Decided, prediction: JudgedPrediction, *, is_mature: bool
) -> None:
    ledger["predicted"] += 1
    ledger[decided.status] += 1
    if decided.status == "matched":
        if not is_mature:
            ledger["immature"] += 1
        elif prediction.duration_s is None or decided.duration_s is None:
            ledger["unpredicted"] += 1
        else:
            ledger["scored"] += 1


def _durations(
    drawn: Pictures,
    decided: Decided,
    prediction: JudgedPrediction,
    reference: JudgedPrediction | None,
) -> None:
    actual_s, at_ms = decided.duration_s, decided.started_at_ms
    if actual_s is None or prediction.duration_s is None:
        return
    cell = _cell(actual_s), _cell(prediction.duration_s)
    drawn.durations[cell] = drawn.durations.get(cell, 0) + 1
    for index, each in enumerate((prediction, reference)):
        if each is not None and each.duration_s is not None:
            drawn.residuals[index][_residual(each.duration_s, actual_s)] += 1
            drawn.losses[index].add(at_ms, scaled_loss(each.duration_s, actual_s))
    for level, ends_s in prediction.intervals.items():
        drawn.covered.setdefault(level, Covered()).add(decided.agent_id, at_ms, ends_s, actual_s)


def _success(drawn: Pictures, decided: Decided, prediction: JudgedPrediction) -> None:
    if decided.succeeded is not None and prediction.success_probability is not None:
        q = prediction.success_probability
        tenth = drawn.reliability[min(SHARES - 1, int(q * SHARES))]
        tenth[0] += 1
        tenth[1] += q
        tenth[2] += decided.succeeded


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

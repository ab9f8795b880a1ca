"""Sums of many matched tasks at once, by model, hour and agent: columns instead of one task after another.

All sums are whole numbers, so they are the same in whatever batches the tasks come. What the numbers of a
row mean is told by ``gnomon.comparison.metrics.sums.FIELDS`` and ``gnomon.comparison.metrics.paired.Groups``.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnomon.comparison.intervals.reliability import BINS, empty_bins
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.buckets import MAX_ERROR_US, buckets_of
from gnomon.comparison.metrics.hour_sums import HourSums
from gnomon.comparison.metrics.sums import PredictionLike, Row
from gnomon.comparison.sources import BASELINES, CONTROL_MODEL
from gnomon.events import Outcome

HOUR_MS: Final = 3_600_000
MISSING: Final = -1
"""Stands for an error, or for right and wrong, of a quantity that was not predicted or is not known."""
_CONTROL: Final = BASELINES.index(CONTROL_MODEL)

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class MatchedTask(NamedTuple):
    """One matched task.

    Attributes:
        outcome: How it ended.
        predictions: What was predicted of it.
        models: For each prediction the number of the model that made it.
        agent: The agent's slice; an empty text if it has none.
    """

    outcome: Outcome
    predictions: Sequence[PredictionLike]
    models: Sequence[int]
    agent: str


class BatchSums(NamedTuple):
    """The sums of a batch: over all agents by model and hour, and rows by model, hour and agent."""

    hours: dict[tuple[int, int], HourSums]
    agents: list[tuple[int, int, str, Row]]


def sums_of(
    tasks: Sequence[MatchedTask], baselines: Sequence[int], *, pair_baselines: bool = False
) -> BatchSums:
    """Add up the predictions of matched tasks.

    Args:
        tasks: The tasks, in any order.
        baselines: For each model's number its index in ``BASELINES``, or -1 if it is no baseline.
        pair_baselines: Whether baselines are compared with the other baselines, as models are.
    """
    if not any(task.predictions for task in tasks):
        return BatchSums({}, [])
    columns = _Columns(tasks, baselines)
    keys, agents = columns.keys(tasks)
    slices, rows = grouped(keys, columns.rows())
    width = len(agents)
    by_model_hour, totals = grouped(slices // width, rows)
    hours = {
        columns.model_hour(key): HourSums(row)
        for key, row in zip(by_model_hour.tolist(), totals.tolist(), strict=True)
    }
    columns.add_histograms(hours)
    columns.add_bins(hours)
    columns.add_paired(hours, pair_baselines=pair_baselines)
    of_agents = [
        (*columns.model_hour(key // width), agents[key % width], row)
        for key, row in zip(slices.tolist(), rows.tolist(), strict=True)
        if agents[key % width]
    ]
    return BatchSums(hours, of_agents)


def grouped(keys: Integers, values: Integers) -> tuple[Integers, Integers]:
    """Return the distinct keys in ascending order, and the sum of the values of each.

    Args:
        keys: Shape ``(n,)``, ``n`` at least 1.
        values: Shape ``(n, columns)``.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[starts], np.add.reduceat(values[order], starts, axis=0)


class _Columns:
    """One element for each prediction of the batch, but for ``*_of`` with a row for each baseline and task."""

    def __init__(self, tasks: Sequence[MatchedTask], baselines: Sequence[int]) -> None:
        made = [p for task in tasks for p in task.predictions]
        self._made = made
        self.task = np.repeat(np.arange(len(tasks)), [len(task.predictions) for task in tasks])
        self.model = np.array([number for task in tasks for number in task.models], dtype=np.int64)
        self.place = np.array(baselines, dtype=np.int64)[self.model]
        hours = np.array([task.outcome.at_ms // HOUR_MS for task in tasks], dtype=np.int64)
        self._first_hour = int(hours.min())
        self._span = int(hours.max()) - self._first_hour + 1
        self.hour = (hours - self._first_hour)[self.task]
        # None becomes NaN.
        self.actual_s = np.array([t.outcome.duration_s for t in tasks], dtype=float)[self.task]
        succeeded = np.array([t.outcome.succeeded for t in tasks], dtype=float)[self.task]
        predicted_s = np.array([p.duration_s for p in made], dtype=float)
        self.probability = np.array([p.success_probability for p in made], dtype=float)
        error_s = np.abs(self.actual_s - predicted_s)
        self.error_us = _microseconds(error_s)
        self.within = error_s <= 0.25 * self.actual_s
        self.judged = ~np.isnan(succeeded + self.probability)
        self.succeeded = succeeded == 1.0
        right = (self.probability >= sums.SUCCESS_THRESHOLD) == self.succeeded
        self.correct = np.where(self.judged, right, MISSING).astype(np.int64)
        miss = np.where(self.judged, self.probability - succeeded, 0.0)
        self.squared_ppm = np.rint(miss * miss * 1e6).astype(np.int64)
        self.error_of = self._by_baseline(self.error_us, len(tasks))
        self.correct_of = self._by_baseline(self.correct, len(tasks))
        self.squared_of = self._by_baseline(self.squared_ppm, len(tasks))

    def _by_baseline(self, values: Integers, tasks: int) -> Integers:
        """Return the values of each baseline by task, shape ``(len(BASELINES), tasks)``."""
        found = np.full((len(BASELINES), tasks), MISSING, dtype=np.int64)
        for place in range(len(BASELINES)):
            own = self.place == place
            found[place, self.task[own]] = values[own]
        return found

    def keys(self, tasks: Sequence[MatchedTask]) -> tuple[Integers, list[str]]:
        """Return a number for each model, hour and slice, and the slices in the order of their numbers."""
        slices: dict[str, int] = {}
        numbers = [slices.setdefault(task.agent, len(slices)) for task in tasks]
        of_model_hour = self.model * self._span + self.hour
        return of_model_hour * len(slices) + np.array(numbers)[self.task], list(slices)

    def model_hour(self, key: int) -> tuple[int, int]:
        """Return the model and the hour of a number."""
        return key // self._span, key % self._span + self._first_hour

    def rows(self) -> Integers:
        """Return a row of ``sums.FIELDS`` for each prediction."""
        rows = np.zeros((len(self._made), len(sums.FIELDS)), dtype=np.int64)
        timed, judged = self.error_us != MISSING, self.judged
        rows[:, sums.N] = timed
        rows[:, sums.ERROR] = np.where(timed, self.error_us, 0)
        rows[:, sums.WITHIN] = timed & self.within
        control_us = self.error_of[_CONTROL, self.task]
        paired = timed & (control_us >= 0)
        rows[:, sums.PAIRED] = paired
        rows[:, sums.PAIRED_ERROR] = np.where(paired, self.error_us, 0)
        rows[:, sums.CONTROL_ERROR] = np.where(paired, control_us, 0)
        rows[:, sums.SUCCESS] = judged
        rows[:, sums.CORRECT] = np.where(judged, self.correct, 0)
        rows[:, sums.BRIER] = np.where(judged, self.squared_ppm, 0)
        control_correct = self.correct_of[_CONTROL, self.task]
        paired = judged & (control_correct >= 0)
        rows[:, sums.SUCCESS_PAIRED] = paired
        rows[:, sums.CONTROL_CORRECT] = np.where(paired, control_correct, 0)
        self._add_intervals(rows)
        return rows

    def _add_intervals(self, rows: Integers) -> None:
        with_intervals = [
            (index, made.intervals.by_level)
            for index, made in enumerate(self._made)
            if made.intervals is not None
        ]
        for level, n, covered, width in sums.OF_LEVEL:
            found = [(i, by[level]) for i, by in with_intervals if level in by]
            at = np.array([i for i, _ in found], dtype=np.int64)
            low_s = np.array([interval.low_s for _, interval in found])
            high_s = np.array([interval.high_s for _, interval in found])
            known = ~np.isnan(self.actual_s[at])
            at, low_s, high_s = at[known], low_s[known], high_s[known]
            actual_s = self.actual_s[at]
            rows[at, n] = 1
            rows[at, covered] = (low_s <= actual_s) & (actual_s <= high_s)
            rows[at, width] = _microseconds(np.abs(high_s - low_s))

    def add_histograms(self, hours: dict[tuple[int, int], HourSums]) -> None:
        """Count the errors by bucket."""
        timed = self.error_us != MISSING
        for (model, hour), bucket, count in self._counted(timed, buckets_of(self.error_us)):
            hours[model, hour].histogram[bucket] = count

    def add_bins(self, hours: dict[tuple[int, int], HourSums]) -> None:
        """Count the probabilities by bin, and the tasks that succeeded."""
        share = np.where(self.judged, self.probability, 0.0)
        bins = np.minimum((share * BINS).astype(np.int64), BINS - 1)
        for which, first in ((self.judged, 0), (self.judged & self.succeeded, BINS)):
            for key, at, count in self._counted(which, bins):
                of_hour = hours[key]
                of_hour.bins = of_hour.bins or empty_bins()
                of_hour.bins[first + at] = count

    def _counted(
        self, which: NDArray[np.bool_], of: Integers
    ) -> Iterator[tuple[tuple[int, int], int, int]]:
        """Yield model and hour, a value of ``of``, and how many of the predictions ``which`` have both."""
        if not which.any():
            return
        values = of[which]
        least = int(values.min())
        width = int(values.max()) - least + 1
        keys = (self.model * self._span + self.hour)[which] * width + (values - least)
        found, counts = np.unique(keys, return_counts=True)
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            yield self.model_hour(key // width), key % width + least, count

    def add_paired(self, hours: dict[tuple[int, int], HourSums], *, pair_baselines: bool) -> None:
        """Add the errors beside those of the baselines, by which of these predicted."""
        compared = np.full(len(self._made), fill_value=True) if pair_baselines else self.place < 0
        timed = compared & (self.error_us != MISSING)
        errors = self._beside(timed, [self.error_us], [self.error_of])
        for key, name, row in errors:
            hours[key].paired.errors[name] = row
        success = self._beside(
            compared & self.judged,
            [self.correct, self.squared_ppm],
            [self.correct_of, self.squared_of],
        )
        for key, name, row in success:
            hours[key].paired.success[name] = row

    def _beside(
        self, which: NDArray[np.bool_], own: Sequence[Integers], theirs: Sequence[Integers]
    ) -> Iterator[tuple[tuple[int, int], str, list[int]]]:
        """Yield model and hour, names of the baselines that predicted, and the sums of a group.

        Args:
            which: The predictions of the model.
            own: What is added up of them.
            theirs: The same of each baseline by task; negative in the first where it did not predict.
        """
        if not which.any():
            return
        task, place = self.task[which], self.place[which]
        known = [(theirs[0][b, task] >= 0) & (place != b) for b in range(len(BASELINES))]
        groups = sum((k.astype(np.int64) << b for b, k in enumerate(known)), np.int64(0))
        columns = [np.ones(len(task), dtype=np.int64), *(values[which] for values in own)]
        columns += [
            np.where(known[b], values[b, task], 0)
            for b in range(len(BASELINES))
            for values in theirs
        ]
        of_model_hour = (self.model * self._span + self.hour)[which]
        keys, rows = grouped(
            of_model_hour * 2 ** len(BASELINES) + groups, np.stack(columns, axis=1)
        )
        for key, row in zip(keys.tolist(), rows.tolist(), strict=True):
            group = key % 2 ** len(BASELINES)
            names = [name for b, name in enumerate(BASELINES) if group >> b & 1]
            yield self.model_hour(key >> len(BASELINES)), "+".join(names), row


def _microseconds(error_s: Floats) -> Integers:
    """Return seconds as whole microseconds, at most ``MAX_ERROR_US``; ``MISSING`` for NaN."""
    limited = np.minimum(np.rint(error_s * 1e6), MAX_ERROR_US)
    return np.where(np.isnan(limited), MISSING, limited).astype(np.int64)

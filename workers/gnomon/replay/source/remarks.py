"""Notices columns that are in another unit than they seem: durations, and times."""

from collections import Counter
from statistics import median
from typing import Final

from gnomon.events import TaskFinished
from gnomon.replay.source.runs import Run

FACTORS: Final = {
    1e3: ("1,000 times", "ms"),
    1e6: ("1,000,000 times", "us"),
    1e9: ("1,000,000,000 times", "ns"),
    1 / 60: ("a 60th of", "min"),
    1 / 3600: ("a 3,600th of", "h"),
}
"""What a duration is of ``finished_at - started_at``, and the unit it then is in."""
TOLERANCE: Final = 0.05
ABOUT: Final = 5.0
"""Estimates in the right unit are rarely as wrong as a factor of ``FACTORS`` over this."""
EARLY_MS: Final = 631_152_000_000
"""1990. Times before it were probably numbers in a larger unit than was said, which count from 1970."""
MIN_RUNS: Final = 3
MIN_SHARE: Final = 0.5
MIN_SPAN_S: Final = 0.05
"""Shorter runs say nothing: their times are rounded to milliseconds."""


def factor_of(finished: TaskFinished) -> float | None:
    """Return the factor of ``FACTORS`` that the duration is of the run's times, if it is one."""
    span_s = (finished.finished_at_ms - finished.started_at_ms) / 1000
    if span_s < MIN_SPAN_S:
        return None
    ratio = finished.duration_s / span_s
    near = (factor for factor in FACTORS if abs(ratio / factor - 1) <= TOLERANCE)
    return next(near, None)


def unit_hint(finished: TaskFinished) -> str:
    """Return the end of a message on a duration that may be in another unit; empty if it is not."""
    factor = factor_of(finished)
    if factor is None:
        return ""
    of, unit = FACTORS[factor]
    return f"; it is {of} finished_at - started_at: --unit duration_s={unit}"


class Durations:
    """Compares durations with times.

    Args:
        column: Name of the column of durations.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._compared = 0
        self._near: Counter[float] = Counter()

    def add(self, run: Run) -> None:
        """Compare one run."""
        finished = run.finished
        if finished is None or finished.finished_at_ms == finished.started_at_ms:
            return
        self._compared += 1
        factor = factor_of(finished)
        if factor is not None:
            self._near[factor] += 1

    def remarks(self) -> list[str]:
        """Return what is noticed: in at least half of the runs, and in three."""
        return [
            f"{self._column} is {FACTORS[factor][0]} finished_at - started_at in {near} of"
            f" {self._compared} runs: if so, say --unit duration_s={FACTORS[factor][1]}"
            for factor, near in self._near.items()
            if near >= MIN_RUNS and near >= MIN_SHARE * self._compared
        ]


class Estimates:
    """Compares estimates with what the runs took, which is about the same if the unit is.

    Args:
        column: Name of the column of estimates.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._ratios: list[float] = []

    def add(self, run: Run) -> None:
        """Compare one run."""
        estimate_s, finished = run.started.estimate_s, run.finished
        if estimate_s is not None and finished is not None and finished.duration_s > 0:
            self._ratios.append(estimate_s / finished.duration_s)

    def remarks(self) -> list[str]:
        """Return what is noticed, of three runs or more."""
        if len(self._ratios) < MIN_RUNS:
            return []
        ratio = median(self._ratios)
        near = (factor for factor in FACTORS if factor > 1 and 1 / ABOUT <= ratio / factor <= ABOUT)
        return [
            f"{self._column} is about {FACTORS[factor][0]} what the runs took: if it is in"
            f" {FACTORS[factor][1]}, say --unit estimate_s={FACTORS[factor][1]}"
            for factor in near
        ]


class Times:
    """Counts runs that began too early to be true.

    Args:
        column: Name of the column of starts.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._runs, self._early = 0, 0

    def add(self, run: Run) -> None:
        """Look at one run."""
        self._runs += 1
        self._early += run.started.started_at_ms < EARLY_MS

    def remarks(self) -> list[str]:
        """Return what is noticed."""
        if not self._early:
            return []
        return [
            f"{self._column} is before 1990 in {self._early} of {self._runs} runs: numbers count from"
            " 1970, so is the unit right? --unit started_at=s"
        ]

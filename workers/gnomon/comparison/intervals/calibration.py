"""Intervals around predicted durations, and how the outcomes of recent tasks correct them.

A model's own quantiles are corrected by conformalized quantile regression (Romano, Patterson and
Candès 2019, arXiv:1905.03222) on a scale of ``log(1 + seconds)``: both ends move outward by a
quantile of how far recent durations lay outside. Which quantile follows from adaptive conformal
inference (Gibbs and Candès 2021, arXiv:2106.00170): after a miss more is covered, otherwise less.

Whether a task was a miss is decided by the correction computed from the tasks that finished before
it, not by the interval that was published for it. Where many tasks start before the first of them
ends, a published interval tells what a correction of long ago did, and to react to that would make
the corrections swing. All is computed anew from the tasks with the latest finish times, in whatever
order they were added, so a correction does not depend on how topics interleave.
"""

import math
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from gnomon.events import Interval, IntervalCorrection, Intervals

RULE: Final = 1
"""Number of the rule in this module. A change of what corrections mean takes the next number."""
LEVELS: Final = (80, 90)
"""Percentages of durations that the intervals are made to contain."""
QUANTILES: Final = (0.1, 0.9, 0.05, 0.95)
"""Levels of the model's quantiles that the intervals are made of: low and high of each."""
BUCKETS: Final = 4
"""Tasks whose agent has done 0, 1, 2, and 3 or more runs of the type are corrected separately."""
WINDOW: Final = 200
"""Tasks that a correction is computed from: the last of one version, bucket, level, partition."""
PRIOR_TASKS: Final = 1
"""Tasks that count in addition to them and would need no correction."""
STEP: Final = 0.02
"""How much more, or less, is covered after a miss: gamma of adaptive conformal inference."""
MAX_VERSIONS: Final = 16
"""Model versions with corrections in one partition. Beyond it the version without a new task for
the longest time is forgotten. Only that can depend on how the topics interleave."""

GroupKey = tuple[str, int, int]
"""SHA-256 of the model file, bucket, and level."""
CorrectionTable = Mapping[tuple[int, int], float]
"""Corrections of one model version by bucket and level; a missing one is 0."""


class CountedTask(NamedTuple):
    """One task of a window; tuples of this order sort by finish time."""

    at_ms: int
    task_hash: int
    score: float


def bucket_of(same_type_runs: float | None) -> int:
    """Return the bucket of a task by how many runs of its type the agent has done."""
    return min(int(same_type_runs or 0), BUCKETS - 1)


class Calibration:
    """The last tasks of every model version in one partition, by bucket and level.

    ``add`` tasks, and ``close`` every now and then.

    Attributes:
        windows: By group at most ``WINDOW`` tasks, in the order of their finish times.
    """

    __slots__ = ("_changed", "windows")

    def __init__(self) -> None:
        self.windows: dict[GroupKey, list[CountedTask]] = {}
        self._changed: set[GroupKey] = set()

    def add(
        self,
        sha256: str,
        published: Intervals,
        *,
        agent_id: str,
        task_id: str,
        duration_s: float,
        at_ms: int,
    ) -> None:
        """Add a task that has finished at ``at_ms`` after ``duration_s``.

        Intervals of another rule and of levels other than ``LEVELS`` are ignored.
        """
        if published.rule != RULE or published.bucket >= BUCKETS:
            return
        identity = f"{agent_id}\0{task_id}".encode()
        task_hash = int.from_bytes(blake2b(identity, digest_size=7).digest())
        for level in LEVELS:
            interval = published.by_level.get(str(level))
            if interval is not None:
                counted = CountedTask(at_ms, task_hash, _score(interval, duration_s))
                self._count((sha256, published.bucket, level), counted)

    def close(self, partition: int) -> Iterator[tuple[str, IntervalCorrection | None]]:
        """Yield key and record of each correction that may have changed since the last time.

        The record is ``None`` for the corrections of a version that was forgotten.
        """
        changed, self._changed = self._changed, set()
        for group in self._forget():
            changed.discard(group)
            yield correction_key(group, partition), None
        for group in sorted(changed):
            yield correction_key(group, partition), self._correction(group, partition)

    @property
    def unwritten(self) -> list[GroupKey]:
        """Return the groups whose corrections changed since ``close``."""
        return sorted(self._changed)

    def restore(
        self, windows: dict[GroupKey, list[CountedTask]], unwritten: Iterable[GroupKey]
    ) -> None:
        """Take over the attributes of another instance."""
        self.windows, self._changed = windows, set(unwritten)

    def _count(self, group: GroupKey, task: CountedTask) -> None:
        window = self.windows.setdefault(group, [])
        if len(window) == WINDOW:
            if task <= window[0]:
                return
            del window[0]
        insort(window, task)
        self._changed.add(group)

    def _correction(self, group: GroupKey, partition: int) -> IntervalCorrection:
        sha256, bucket, level = group
        window = self.windows[group]
        found, miss_share = correction([task.score for task in window], 1.0 - level / 100)
        return IntervalCorrection(
            sha256=sha256,
            bucket=bucket,
            level=level,
            partition=partition,
            n=len(window),
            miss_share=round(miss_share, 6),
            correction=round(found, 6),
            rule=RULE,
        )

    def _forget(self) -> list[GroupKey]:
        """Forget the versions beyond ``MAX_VERSIONS`` and return their groups."""
        latest: dict[str, int] = {}
        for (sha256, _, _), window in self.windows.items():
            latest[sha256] = max(latest.get(sha256, 0), window[-1].at_ms)
        oldest = sorted(latest, key=lambda sha256: (latest[sha256], sha256))
        forgotten = set(oldest[: max(len(oldest) - MAX_VERSIONS, 0)])
        groups = sorted(group for group in self.windows if group[0] in forgotten)
        for group in groups:
            del self.windows[group]
        return groups


def correction(scores: Sequence[float], aim: float) -> tuple[float, float]:
    """Return the correction for the next task, and the share of misses that it allows.

    It is the smallest score that leaves at most that share of the tasks outside. ``PRIOR_TASKS``
    more count with a score of 0, so that the first correction is 0.

    Args:
        scores: How far each task lay outside the model's own interval, by finish time.
        aim: Share of misses that there shall be in the long run.
    """
    ascending = [0.0] * PRIOR_TASKS
    miss_share = aim
    for score in scores:
        missed = score > _leaving_outside(ascending, miss_share)
        miss_share += STEP * (aim - missed)
        insort(ascending, score)
    return _leaving_outside(ascending, miss_share), min(max(miss_share, 0.0), 1.0)


def _leaving_outside(ascending: Sequence[float], miss_share: float) -> float:
    inside = math.ceil((1.0 - miss_share) * len(ascending) - 1e-9)
    return ascending[min(max(inside, 1), len(ascending)) - 1]


def correction_key(group: GroupKey, partition: int) -> str:
    """Return ``<sha256>|<bucket>|<level>|p<partition>``, the key on interval-corrections."""
    sha256, bucket, level = group
    return f"{sha256}|{bucket}|{level}|p{partition}"


def _score(interval: Interval, duration_s: float) -> float:
    """Return how far the duration lies outside the model's own interval; negative if inside."""
    log_duration = math.log1p(duration_s)
    low, high = math.log1p(interval.own_low_s), math.log1p(interval.own_high_s)
    return max(low - log_duration, log_duration - high)

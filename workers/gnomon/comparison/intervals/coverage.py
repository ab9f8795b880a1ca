"""How many durations lay inside the intervals of a model version, over a list of decisions."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from gnomon.events import Comparison

ENOUGH_TASKS: Final = 30
"""An agent with fewer tasks is not looked at when the worst is sought."""
IN_A_ROW: Final = 200


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals of one level; shares of ``n`` tasks, by the order in which they finished.

    ``worst_agent`` is the smallest share of an agent with ``ENOUGH_TASKS`` or more tasks, and
    ``lowest`` and ``highest`` are over any ``IN_A_ROW`` tasks in a row: ``None`` where there are
    too few tasks. ``interval_score`` in seconds is the mean of the width and, of a task outside,
    ``2 / (1 - level)`` times its distance (Gneiting and Raftery 2007): smaller is better.
    """

    n: int
    covered: float
    worst_agent: float | None
    lowest: float | None
    highest: float | None
    median_width_s: float
    interval_score: float


class _Judged(NamedTuple):
    at_ms: int
    agent_id: str
    task_id: str
    low_s: float
    high_s: float
    duration_s: float

    @property
    def covered(self) -> bool:
        return self.low_s <= self.duration_s <= self.high_s

    def score(self, level: int) -> float:
        distance = max(self.low_s - self.duration_s, self.duration_s - self.high_s, 0.0)
        return self.high_s - self.low_s + 200 / (100 - level) * distance


def coverage_by_level(
    decisions: Iterable[Comparison], *, model: str, version: str
) -> dict[str, Coverage]:
    """Return the coverage of each level that the version gave intervals of, over matched tasks."""
    judged: defaultdict[str, list[_Judged]] = defaultdict(list)
    for decision in decisions:
        outcome = decision.outcome
        made = [p for p in decision.predictions if (p.model, p.version) == (model, version)]
        intervals = made[-1].intervals if made else None
        if outcome.status != "matched" or outcome.duration_s is None or intervals is None:
            continue
        for level, interval in intervals.by_level.items():
            names = (outcome.at_ms, decision.agent_id, decision.task_id)
            judged[level].append(
                _Judged(*names, interval.low_s, interval.high_s, outcome.duration_s)
            )
    return {level: _coverage(sorted(tasks), int(level)) for level, tasks in sorted(judged.items())}


def _coverage(tasks: Sequence[_Judged], level: int) -> Coverage:
    covered = [task.covered for task in tasks]
    of_agent: defaultdict[str, list[bool]] = defaultdict(list)
    for task in tasks:
        of_agent[task.agent_id].append(task.covered)
    agents = [_share(each) for each in of_agent.values() if len(each) >= ENOUGH_TASKS]
    runs = [_share(covered[at : at + IN_A_ROW]) for at in range(len(covered) - IN_A_ROW + 1)]
    widths = sorted(task.high_s - task.low_s for task in tasks)
    return Coverage(
        n=len(tasks),
        covered=_share(covered),
        worst_agent=min(agents, default=None),
        lowest=min(runs, default=None),
        highest=max(runs, default=None),
        median_width_s=(widths[(len(widths) - 1) // 2] + widths[len(widths) // 2]) / 2,
        interval_score=math.fsum(task.score(level) for task in tasks) / len(tasks),
    )


def _share(covered: Sequence[bool]) -> float:
    return sum(covered) / len(covered)

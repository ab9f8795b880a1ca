"""Collects the outcomes of an experiment's units from comparisons, in any order."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from gnomon.events import Comparison
from gnomon.experiment.analysis import UnitSums
from gnomon.experiment.rules import ExperimentRules, Loss

VARIANT: Final = "experiment.{}"
"""Field of a task's context with the variant."""
UNIT: Final = "experiment.{}.unit"
"""Field of a task's context with the unit; without it, the agent is the unit."""


class UnitTask(NamedTuple):
    """What counts of one task; a loss that is not known is ``None``."""

    started_at_ms: int
    agent_id: str
    unit: str
    variant: str
    losses: tuple[float | None, float | None]


class Outcomes:
    """The tasks of one experiment.

    Attributes:
        unassigned: Number of tasks without a variant: of units that do not take part, or with a
            sealed context.

    Args:
        name: Name of the experiment.
        rules: Which tasks count.
    """

    def __init__(self, name: str, rules: ExperimentRules) -> None:
        self.unassigned = 0
        self._variant, self._unit = VARIANT.format(name), UNIT.format(name)
        self._rules = rules
        self._tasks: dict[str, UnitTask] = {}
        self._seen: set[str] = set()
        self._newest_ms: dict[str, int] = {}

    def add(self, comparison: Comparison) -> None:
        """Add one comparison; one with a ``decision_id`` that was added before is ignored."""
        agent, outcome = comparison.agent_id, comparison.outcome
        newest_ms = max(comparison.started_at_ms, outcome.at_ms)
        self._newest_ms[agent] = max(self._newest_ms.get(agent, 0), newest_ms)
        if comparison.decision_id in self._seen:
            return
        self._seen.add(comparison.decision_id)
        variant, unit = comparison.context.get(self._variant), comparison.context.get(self._unit)
        if not isinstance(variant, str):
            self.unassigned += 1
        elif (
            outcome.status != "cancelled"
            and comparison.started_at_ms >= self._rules.registered_at_ms
        ):
            self._tasks[comparison.decision_id] = UnitTask(
                comparison.started_at_ms,
                agent,
                unit if isinstance(unit, str) else agent,
                variant,
                _losses(comparison),
            )

    def mature(self) -> list[UnitTask]:
        """Return the tasks that count, in the order of their start."""
        after_ms = math.ceil(self._rules.mature_after_s * 1000)
        return sorted(
            task
            for task in self._tasks.values()
            if task.started_at_ms + after_ms <= self._newest_ms[task.agent_id]
        )

    @property
    def immature(self) -> int:
        """Return the number of tasks that are too young to count."""
        return len(self._tasks) - len(self.mature())


def variants_of_units(tasks: Iterable[UnitTask]) -> dict[str, set[str]]:
    """Return the variants that each unit got; more than one is a fault."""
    found: dict[str, set[str]] = {}
    for task in tasks:
        found.setdefault(task.unit, set()).add(task.variant)
    return found


def sums_of(tasks: Iterable[UnitTask], loss: Loss) -> UnitSums:
    """Return the sums of a loss over the units of ``tasks``."""
    units: dict[str, tuple[int, float]] = {}
    at = 0 if loss == "duration" else 1
    for task in tasks:
        value = task.losses[at]
        if value is not None:
            n, total = units.get(task.unit, (0, 0.0))
            units[task.unit] = (n + 1, total + value)
    return UnitSums.of(units[unit] for unit in sorted(units))


def _losses(comparison: Comparison) -> tuple[float | None, float | None]:
    """Return ln(1 + seconds), and 1 for a failure; an expired task failed and took at least its age."""
    outcome = comparison.outcome
    if outcome.status == "expired":
        age_s = max(0, outcome.at_ms - comparison.started_at_ms) / 1000
        return math.log1p(age_s), 1.0
    seconds, succeeded = outcome.duration_s, outcome.succeeded
    return (
        None if seconds is None else math.log1p(seconds),
        None if succeeded is None else float(not succeeded),
    )

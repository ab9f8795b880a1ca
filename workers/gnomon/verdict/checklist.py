"""Makes the checklist for a rollout: each line with a figure, a status, and what to do."""

from collections.abc import Iterable
from typing import Final

import msgspec

from gnomon.verdict.checks import ACCURACY, IMPROVEMENT
from gnomon.verdict.result import Criterion, Drill, Item, ModelVerdict, Unit
from gnomon.verdict.settings import VerdictSettings

DAY_MS: Final = 86_400_000
MOST_SWITCH_S: Final = 5.0
"""The drill ``rollback`` passes if every partition has switched within this."""


def checklist(
    model: ModelVerdict, drills: Iterable[Drill], settings: VerdictSettings, *, now_ms: int
) -> ModelVerdict:
    """Return ``model`` with its checklist.

    Args:
        model: The verdict with its criteria.
        drills: All drills that were run.
        settings: ``drill_days`` is for how long a drill counts.
        now_ms: The time from which the age of drills is measured (epoch milliseconds).
    """
    last: dict[str, Drill] = {}
    for drill in sorted(drills, key=lambda each: (each.at_ms, not each.passed)):
        last[drill.drill] = drill

    def drilled(item: str, name: str, todo: str) -> Item:
        return _drilled(item, last.get(name), todo, settings, now_ms=now_ms)

    criteria = model.criteria
    items = [
        _bounded("improvement", criteria[IMPROVEMENT], model),
        _bounded("accuracy", criteria[ACCURACY], model),
        _counted(criteria["decisions"]),
        _without_errors(criteria["answered"], criteria["unresolved"]),
        drilled("no impact on production", "isolation", "gnomon drill isolation"),
        drilled("security in place", "security", "gnomon drill security"),
        drilled(
            "dashboards live",
            "dashboards",
            "gnomon drill dashboards; or look at your own, then gnomon drill record dashboards --passed",
        ),
        drilled(
            "alerting drilled",
            "alert",
            "gnomon drill alert; or cause one that a person receives, then gnomon drill record alert --passed",
        ),
        drilled("rollback drilled", "rollback", "gnomon drill rollback"),
    ]
    return msgspec.structs.replace(model, checklist=items)


def _bounded(name: str, found: Criterion, model: ModelVerdict) -> Item:
    """Return an item that passes with its criterion, and is unknown while that may still pass."""
    lost = found.high is not None and found.needed is not None and found.high < found.needed
    todo = "train a better version: gnomon train"
    if not lost:
        hours = model.decides_in_hours
        soon = "" if not hours else f", about {hours} more active hours"
        todo = f"let the shadow stage go on{soon}"
    return Item(
        name=name,
        status="passed" if found.passed else "failed" if lost else "unknown",
        figure=found.estimate,
        needed=found.needed,
        todo="" if found.passed else todo,
    )


def _counted(found: Criterion) -> Item:
    return Item(
        name="decisions",
        status="passed" if found.passed else "failed",
        figure=found.estimate,
        needed=found.needed,
        unit="count",
        todo="" if found.passed else "let the shadow stage go on",
    )


def _without_errors(answered: Criterion, unresolved: Criterion) -> Item:
    """Return whether the model answered, and whether the ends of its tasks became known."""
    todo = ""
    if answered.estimate is None:
        todo = "no baseline predicted any of these tasks; let the shadow stage go on"
    elif not answered.passed:
        todo = "see model.refused in the log of the shadow stage's workers"
    elif not unresolved.passed:
        todo = "too many tasks have no end: see gnomon status, column lost"
    known = answered.estimate is not None
    return Item(
        name="shadow without errors",
        status="unknown" if not known else "failed" if todo else "passed",
        figure=answered.estimate,
        needed=answered.needed,
        todo=todo,
    )


def _drilled(
    name: str, drill: Drill | None, todo: str, settings: VerdictSettings, *, now_ms: int
) -> Item:
    """Return whether the last drill passed; one that is too old is no evidence."""
    days = float(settings.drill_days)
    if drill is None:
        return Item(name=name, status="unknown", needed=days, unit="days", todo=todo)
    age_days = (now_ms - drill.at_ms) / DAY_MS
    if age_days > days:
        return Item(
            name=name, status="unknown", figure=age_days, needed=days, unit="days", todo=todo
        )
    figure, needed, unit = _measured(drill) or (max(0.0, age_days), days, "days")
    return Item(
        name=name,
        status="passed" if drill.passed else "failed",
        figure=figure,
        needed=needed,
        unit=unit,
        todo="" if drill.passed else todo,
    )


def _measured(drill: Drill) -> tuple[float, float, Unit] | None:
    """Return what a drill has measured, with its threshold: the value nearest to it, or beyond."""
    if drill.longest_s is not None:
        return drill.longest_s, MOST_SWITCH_S, "seconds"
    ratios = [
        (latency.ratio, latency.limit)
        for phase in drill.compared.values()
        for latency in phase.values()
        if latency.ratio is not None and latency.limit
    ]
    if not ratios:
        return None
    ratio, limit = max(ratios, key=lambda each: each[0] / each[1])
    return ratio, limit, "ratio"

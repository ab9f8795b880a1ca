"""The wall screen: every challenger, its word, what blocks it, and its improvement over time."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from gnomon.dashboard.views.texts import NOTHING, count, share
from gnomon.dashboard.window import HOUR_MS
from gnomon.store.queries import ChecklistLine, Improvement, VerdictAt

LOSS: Final = "log_loss"
"""The loss of which the verdict's improvement is."""
NEEDED: Final = 0.2
"""How much better than control a model has to be, unless the experiment's settings say otherwise."""
BOUNDS: Final = {"share": "at least", "count": "more than", "days": "within the last"}
"""What is needed of a figure in this unit; of others, at most that much."""
EFFECTS: Final = frozenset({"improvement", "brier"})
"""Criteria whose figures are hidden until there is enough."""
_ORDER: Final = {"failed": 0, "unknown": 1, "passed": 2}
_DAY_H: Final = 24


class VerdictFigures(Protocol):
    """What is read for this page; ``FigureQueries`` has it."""

    def last_verdicts(self) -> list[VerdictAt]:
        """Return the last verdict on each version of each experiment, the newest first."""
        ...

    def verdicts_over_time(self, *, since_ms: int = ..., until_ms: int = ...) -> list[VerdictAt]:
        """Return the last verdict of each hour on each version."""
        ...

    def improvements_over_time(
        self, model: str, version: str, *, since_ms: int = ..., until_ms: int = ...
    ) -> list[Improvement]:
        """Return the improvement over each baseline by each loss, by hour."""
        ...

    def checklist(self, verdict: VerdictAt) -> list[ChecklistLine]:
        """Return the checklist of one verdict."""
        ...


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a checklist, ready to be shown."""

    name: str
    status: str
    figure: str
    bound: str
    needed: str


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The improvement over one baseline at the end of an hour; only where there are bounds."""

    at_ms: int
    baseline: str
    estimate: float
    low: float
    high: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One challenger.

    Attributes:
        since_ms: Begin of the hour since which the word has not changed, as far as hours are known.
        improvement: Over the reference baseline; ``None``, with the bounds, until there is enough.
        hidden: Why there is no improvement to show; empty if there is.
        points: The improvement over time. ``last_point_ms``: the time of the last, of all times.
        strongest: The baseline that is hardest to beat.
    """

    experiment: str
    model: str
    version: str
    word: str
    since_ms: int
    at_ms: int
    blocked_by: list[str]
    decisions: int
    active_hours: int
    improvement: float | None
    low: float | None
    high: float | None
    hidden: str
    decides: str
    strongest: str | None
    harmed_agents: int
    checklist: list[Line]
    points: list[Point]


class Wall(msgspec.Struct, frozen=True, kw_only=True):
    """The challengers of the running experiment, and the last words of earlier ones.

    ``last_ms`` is when a verdict came last, ``None`` if never.
    """

    running: list[Card]
    earlier: list[VerdictAt]
    last_ms: int | None


def wall(figures: VerdictFigures, *, since_ms: int, until_ms: int) -> Wall:
    """Return the wall screen, with improvements in a period.

    An experiment runs if its settings are those of the newest verdict.
    """
    last = figures.last_verdicts()
    if not last:
        return Wall(running=[], earlier=[], last_ms=None)
    newest = last[0].settings_sha256
    history = figures.verdicts_over_time(since_ms=since_ms, until_ms=until_ms)
    return Wall(
        running=[
            _card(figures, each, history, since_ms=since_ms, until_ms=until_ms)
            for each in last
            if each.settings_sha256 == newest
        ],
        earlier=[each for each in last if each.settings_sha256 != newest],
        last_ms=last[0].at_ms,
    )


def _card(
    figures: VerdictFigures,
    verdict: VerdictAt,
    history: Iterable[VerdictAt],
    *,
    since_ms: int,
    until_ms: int,
) -> Card:
    over_time = figures.improvements_over_time(
        verdict.model, verdict.version, since_ms=since_ms, until_ms=until_ms
    )
    hidden = why_hidden(verdict)
    return Card(
        experiment=verdict.settings_sha256,
        model=verdict.model,
        version=verdict.version,
        word=verdict.word,
        since_ms=_unchanged_since(verdict, history),
        at_ms=verdict.at_ms,
        blocked_by=[each for each in verdict.blocked_by.split(",") if each],
        decisions=verdict.decisions,
        active_hours=verdict.active_hours,
        improvement=None if hidden else verdict.improvement,
        low=None if hidden else verdict.improvement_low,
        high=None if hidden else verdict.improvement_high,
        hidden=hidden,
        decides=_decides(verdict),
        strongest=verdict.strongest,
        harmed_agents=verdict.harmed_agents,
        checklist=lines(figures.checklist(verdict), hide=EFFECTS if hidden else frozenset()),
        points=[] if hidden else points(over_time, verdict.settings_sha256),
    )


def why_hidden(verdict: VerdictAt) -> str:
    """Return why the improvement is not shown yet; empty if it is."""
    if None not in (verdict.improvement, verdict.improvement_low, verdict.improvement_high):
        return ""
    return (
        "There is not enough yet for an interval, and an effect without one misleads: a verdict needs"
        f" bounds, and has {count(verdict.decisions)} decisions in {count(verdict.active_hours)} active hours."
    )


def points(improvements: Iterable[Improvement], experiment: str) -> list[Point]:
    """Return the improvements in log loss that have bounds, of one experiment, in the order of time."""
    return [
        Point(
            at_ms=(each.hour + 1) * HOUR_MS,
            baseline=each.baseline,
            estimate=each.estimate,
            low=each.low,
            high=each.high,
        )
        for each in improvements
        if each.settings_sha256 == experiment
        and each.loss == LOSS
        and each.estimate is not None
        and each.low is not None
        and each.high is not None
    ]


def lines(checklist: Sequence[ChecklistLine], *, hide: Collection[str] = frozenset()) -> list[Line]:
    """Return the lines of a checklist, what stands in the way first, without the figures of those in ``hide``."""
    ordered = sorted(checklist, key=lambda each: (_ORDER.get(each.status, 1), each.name))
    return [
        Line(
            name=each.name,
            status=each.status,
            figure=NOTHING if each.name in hide else in_unit(each.figure, each.unit),
            bound=BOUNDS.get(each.unit, "at most"),
            needed=in_unit(each.needed, each.unit),
        )
        for each in ordered
    ]


def in_unit(value: float | None, unit: str) -> str:
    """Return a figure of the checklist with its unit."""
    if value is None:
        return NOTHING
    if unit == "share":
        return share(value)
    if unit == "count":
        return f"{value:,.0f}"
    suffix = {"seconds": " s", "days": " d", "ratio": " x"}.get(unit, f" {unit}")
    return f"{value:.3g}{suffix}"


def _unchanged_since(verdict: VerdictAt, history: Iterable[VerdictAt]) -> int:
    same = [
        each
        for each in history
        if (each.settings_sha256, each.model, each.version)
        == (verdict.settings_sha256, verdict.model, verdict.version)
    ]
    since_ms = verdict.at_ms
    for each in sorted(same, key=lambda each: -each.hour):
        if each.word != verdict.word:
            break
        since_ms = min(since_ms, each.hour * HOUR_MS)
    return since_ms


def _decides(verdict: VerdictAt) -> str:
    """Return when a decision is to be expected."""
    if verdict.word != "CONTINUE":
        return "decided"
    hours = verdict.decides_in_hours
    if hours is None:
        return NOTHING
    return f"≈ {hours / _DAY_H:.0f} d" if hours >= 2 * _DAY_H else f"≈ {hours} h"

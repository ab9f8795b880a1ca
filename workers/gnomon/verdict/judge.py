"""Judges each model: a result, and the criteria from which it follows."""

from collections.abc import Iterable, Sequence

from gnomon.verdict.challenger import Challenger, Counts, Versus
from gnomon.verdict.checklist import checklist
from gnomon.verdict.checks import (
    ACCURACY,
    IMPROVEMENT,
    SIMPLE_RULES,
    Check,
    checks_of,
    criterion,
    finite,
    hours_to_decide,
    is_enough,
)
from gnomon.verdict.evidence.decided import version_order
from gnomon.verdict.evidence.evidence import Evidence
from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import B, C, T
from gnomon.verdict.evidence.task_losses import BRIER, LOG_LOSS, SECONDS
from gnomon.verdict.harm import harmed
from gnomon.verdict.result import Bounded, Compared, Criterion, Drill, ModelVerdict, Word
from gnomon.verdict.sequence import Interval, Plan, bounds, improvement
from gnomon.verdict.settings import BASELINES, VerdictSettings

DAY_MS = 86_400_000


def judge(
    evidence: Evidence, *, drills: Iterable[Drill] = (), now_ms: int = 0
) -> list[ModelVerdict]:
    """Judge every model, in the order of name and version.

    Args:
        evidence: The evidence, with its hours closed.
        drills: All drills that were run.
        now_ms: The time before which a drill may be ``drill_days`` old (epoch milliseconds).

    Raises:
        ValueError: Some hours are open.
    """
    settings = evidence.settings
    held = list(drills)
    criterion = drills_criterion(held, settings, now_ms=now_ms)
    found = [
        checklist(_model(each, settings, criterion), held, settings, now_ms=now_ms)
        for each in evidence.challengers.values()
    ]
    return sorted(found, key=lambda v: (v.name, version_order(v.version), v.sha256 or ""))


def drills_criterion(
    drills: Iterable[Drill], settings: VerdictSettings, *, now_ms: int
) -> Criterion:
    """Check that the last drill of each name passed, at most ``drill_days`` ago."""
    last: dict[str, Drill] = {}
    for drill in sorted(drills, key=lambda d: (d.at_ms, not d.passed)):
        last[drill.drill] = drill
    oldest_ms = now_ms - settings.drill_days * DAY_MS
    missing = [
        name
        for name in settings.drills
        if name not in last or not last[name].passed or last[name].at_ms < oldest_ms
    ]
    return Criterion(
        passed=not missing,
        estimate=float(len(settings.drills) - len(missing)),
        needed=float(len(settings.drills)),
        missing=missing,
    )


def _model(challenger: Challenger, settings: VerdictSettings, held: Criterion) -> ModelVerdict:
    plan, counts = Plan.of(settings), challenger.counts
    checks = checks_of(challenger, settings, plan)
    reference = next((check.series for check in checks if check.criterion == IMPROVEMENT), None)
    criteria = _criteria(challenger, checks, reference, settings, held)
    blocked_by = [name for name, each in criteria.items() if not each.passed]
    word = _word(checks, plan, blocked_by)
    against = {
        name: _compared(challenger.against[name], plan, settings)
        for name in BASELINES
        if name in challenger.against
    }
    name, version = label_of(challenger)
    versus = challenger.against.get(settings.reference)
    losses = versus.sums.get(LOG_LOSS) if versus is not None else None
    return ModelVerdict(
        name=name,
        version=version,
        sha256=challenger.sha256,
        word=word,
        decisions=counts.decisions,
        blocks=reference.t if reference else 0,
        active_hours=reference.h if reference else 0,
        blocked_by=blocked_by,
        criteria=criteria,
        against=against,
        strongest=_strongest(against),
        correlation=reference.correlation(1 - settings.delta) if reference else None,
        agents=reference.a if reference else 0,
        immature=counts.immature,
        expired=counts.expired,
        cancelled=counts.cancelled,
        within_25=counts.within_25 / counts.decisions if counts.decisions else None,
        decides_in_hours=hours_to_decide(checks, settings, decisions=counts.decisions)
        if word == "CONTINUE"
        else None,
        harm=harmed(
            losses.agents,
            plan,
            min_blocks=settings.min_blocks,
            judged=challenger.judged_agents,
        )
        if losses
        else [],
        first_ms=challenger.first_ms,
        last_ms=challenger.last_ms,
    )


def label_of(challenger: Challenger) -> tuple[str, str]:
    """Return the name and the version of a model; of several the least."""
    return min(challenger.labels.values(), key=lambda label: (label[0], version_order(label[1])))


def _word(checks: Sequence[Check], plan: Plan, blocked_by: Sequence[str]) -> Word:
    if any(
        check.criterion == IMPROVEMENT
        and check.bounded
        and bounds(check.series, plan, 0.0).high < 0
        for check in checks
    ):
        return "STOP-HARM"
    if any(check.lost for check in checks):
        return "NO-GO"
    return "CONTINUE" if blocked_by else "GO"


def _criteria(
    challenger: Challenger,
    checks: Sequence[Check],
    reference: Series | None,
    settings: VerdictSettings,
    held: Criterion,
) -> dict[str, Criterion]:
    def of(name: str) -> list[Check]:
        return [check for check in checks if check.criterion == name]

    counts = challenger.counts
    predicted = counts.decisions + counts.immature + counts.expired
    unresolved = counts.expired / predicted if predicted else None
    answered = _answered(counts)
    blocks, hours = (reference.t, reference.h) if reference else (0, 0)
    return {
        IMPROVEMENT: criterion(of(IMPROVEMENT), needed=settings.delta),
        SIMPLE_RULES: criterion(of(SIMPLE_RULES), needed=0.0, required=False),
        SECONDS: criterion(of(SECONDS), needed=0.0),
        BRIER: criterion(of(BRIER), needed=0.0),
        ACCURACY: criterion(of(ACCURACY), needed=settings.accuracy),
        "decisions": _at_least(counts.decisions, settings.min_decisions, more=True),
        "blocks": _at_least(blocks, settings.min_blocks),
        "active_hours": _at_least(hours, settings.min_active_hours),
        "unresolved": Criterion(
            passed=unresolved is not None and unresolved <= settings.max_unresolved,
            estimate=unresolved,
            needed=settings.max_unresolved,
        ),
        "answered": Criterion(
            passed=answered is not None and answered >= settings.min_answered,
            estimate=answered,
            needed=settings.min_answered,
        ),
        "drills": held,
    }


def _answered(counts: Counts) -> float | None:
    """Return the share of durations, or of probabilities if that is smaller, that the model predicted."""
    if not counts.answerable:
        return None
    durations = counts.answered / counts.answerable
    return min(durations, counts.rated / counts.ratable) if counts.ratable else durations


def _at_least(count: int, needed: int, *, more: bool = False) -> Criterion:
    return Criterion(passed=count >= needed + more, estimate=float(count), needed=float(needed))


def _compared(versus: Versus, plan: Plan, settings: VerdictSettings) -> dict[str, Compared]:
    found = {}
    for loss in (LOG_LOSS, SECONDS, BRIER):
        sums = versus.sums.get(loss)
        if sums is None or not sums.blocks[T]:
            continue
        series = Series.of(sums, alpha=settings.alpha)
        enough = is_enough(series, settings)
        estimate, low, high = improvement(series, plan)
        others = improvement(series, plan, future=True) if enough else Interval(estimate, 0, 0)
        b, c = sums.blocks[B], sums.blocks[C]
        found[loss] = Compared(
            estimate=finite(estimate),
            low=finite(low) if enough else None,
            high=finite(high) if enough else None,
            agents_like_these=Bounded(
                estimate=finite(estimate),
                low=finite(others.low) if enough else None,
                high=finite(others.high) if enough and series.a > 1 else None,
            ),
            worst=_ratio(b, c, versus.worst.get(loss)),
            best=_ratio(b, c, versus.best.get(loss)),
            active_hours=series.h,
            blocks=series.t,
        )
    return found


def _ratio(baseline: int, model: int, changes: Sequence[int] | None) -> float | None:
    b, c = changes or (0, 0)
    return 1 - (model + c) / (baseline + b) if baseline + b else None


def _strongest(against: dict[str, dict[str, Compared]]) -> str | None:
    """Return the baseline over which the model improves the log loss least."""
    found = {name: each[LOG_LOSS].estimate for name, each in against.items() if LOG_LOSS in each}
    known = {name: estimate for name, estimate in found.items() if estimate is not None}
    return min(known, key=lambda name: known[name], default=None)

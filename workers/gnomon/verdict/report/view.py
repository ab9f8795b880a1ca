"""Formats verdicts as text for a terminal."""

from collections.abc import Sequence
from typing import Final

from gnomon.drift import Drift
from gnomon.text_table import aligned
from gnomon.verdict.evidence.task_losses import LOG_LOSS
from gnomon.verdict.result import Compared, Criterion, Item, ModelVerdict

_HEAD = (
    "model", "version", "verdict", "decisions", "blocks", "hours", "corr.", "against",
    "these agents", "agents like these",
)  # fmt: skip
_COUNTS = frozenset({"decisions", "blocks", "active_hours", "drills"})
MOST_FEATURES: Final = 4
_LEFT = frozenset({0, 1, 2, 7, 8, 9})


def summary(models: Sequence[ModelVerdict], *, reference: str) -> str:
    """Return a line for each model and baseline: the improvement of the log loss, with bounds."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for model in models:
        known = sorted(model.against, key=lambda name: (name != reference, name))
        for index, baseline in enumerate(known or ("-",)):
            found = model.against.get(baseline, {}).get(LOG_LOSS)
            head = _head(model) if not index else ("",) * 7
            rows.append((*head, baseline, _these(found), _like_these(found)))
    return aligned(rows, left=_LEFT)


def details(model: ModelVerdict) -> str:
    """Return the criteria of one model, and its other metrics."""
    rows: list[tuple[str, ...]] = [("criterion", "found", "bounds", "needed", "holds", "against")]
    for name, each in model.criteria.items():
        rows.append((name, *_criterion(name, each)))
    lines = [
        f"{plain(model.name)} version {plain(model.version)}"
        f"{f', SHA-256 {model.sha256[:12]}' if model.sha256 else ''}: {model.word}"
        + (f", blocked by {', '.join(model.blocked_by)}" if model.blocked_by else ""),
        aligned(rows, left=frozenset({0, 2, 4, 5})),
        f"expired {model.expired}  cancelled {model.cancelled}  immature {model.immature}"
        f"  within 25 % {percent(model.within_25)}",
    ]
    if model.checklist:
        lines.append(_checklist(model))
    if model.drift is not None:
        lines.append(_drift(model.drift))
    if model.decides_in_hours is not None:
        lines.append(f"estimate: decided in about {model.decides_in_hours} more active hours")
    if model.strongest is not None:
        lines.append(f"hardest to beat in log loss: {model.strongest}")
    for baseline, losses in model.against.items():
        found = losses.get(LOG_LOSS)
        if found is not None and model.expired:
            lines.append(
                f"expired tasks, against {baseline}: {percent(found.worst)} at worst,"
                f" {percent(found.best)} at best"
            )
    lines += [
        f"HARM: agent {plain(each.agent_id)}, {percent(each.improvement)}"
        f" over {each.blocks} blocks, e-value {each.e_value:.3g}"
        for each in model.harm
    ]
    lines += [
        f"HARM: task type {plain(each.task_type)}, {percent(each.improvement)}"
        f" over {each.blocks} blocks, e-value {each.e_value:.3g}"
        for each in model.harmed_types or ()
    ]
    return "\n".join(lines)


def _checklist(model: ModelVerdict) -> str:
    rows: list[tuple[str, ...]] = [("for a rollout", "status", "found", "threshold", "what to do")]
    for item in model.checklist:
        found, needed = item_figure(item, item.figure), item_figure(item, item.needed)
        rows.append((item.name, item.status, found, needed, item.todo))
    return aligned(rows, left=frozenset({0, 1, 4}))


def _drift(drift: Drift) -> str:
    """Return a line on the loss, and one on the features that have moved."""
    lines = [f"drift: {drift.word}, {len(drift.changes)} changes of the mean loss"]
    if drift.changes:
        last = drift.changes[-1]
        lines[0] += f", the last from {percent(last.before)} to {percent(last.after)}"
    moved = [
        f"{name} (PSI {each.psi:.2f})"
        for name, each in drift.features.items()
        if each.word != "steady"
    ]
    if drift.features:
        more = len(moved) - MOST_FEATURES
        shown = [*moved[:MOST_FEATURES], *([f"{more} more"] if more > 0 else [])]
        lines.append(f"  features that moved: {', '.join(shown) or 'none'}")
    else:
        lines.append("  features: too few decisions before or after the first prediction")
    return "\n".join(lines)


def item_figure(item: Item, value: float | None) -> str:
    """Format a figure of the checklist with its unit; ``-`` for ``None``."""
    if value is None:
        return "-"
    return {
        "share": percent(value),
        "count": f"{value:.0f}",
        "ratio": f"x {value:.2f}",
        "seconds": f"{value:.2f} s",
        "days": f"{value:.1f} days",
    }[item.unit]


def criterion_figure(name: str, value: float | None) -> str:
    """Format a figure of a criterion: a count, or a share as per cent."""
    return f"{value:.0f}" if name in _COUNTS and value is not None else percent(value)


def plain(text: str) -> str:
    """Return ``text`` without control characters: a terminal obeys them, and names come from outside."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _head(model: ModelVerdict) -> tuple[str, ...]:
    return (
        plain(model.name),
        plain(model.version),
        model.word,
        str(model.decisions),
        str(model.blocks),
        str(model.active_hours),
        "-" if model.correlation is None else f"{model.correlation:.2f}",
    )


def _these(found: Compared | None) -> str:
    if found is None:
        return "-"
    return f"{percent(found.estimate)} {_bounds(found.low, found.high)}"


def _like_these(found: Compared | None) -> str:
    if found is None:
        return "-"
    return _bounds(found.agents_like_these.low, found.agents_like_these.high)


def _criterion(name: str, each: Criterion) -> tuple[str, ...]:
    bounded = each.low is not None or each.high is not None
    missing = f"missing: {', '.join(each.missing)}" if each.missing else ""
    return (
        criterion_figure(name, each.estimate),
        _bounds(each.low, each.high) if bounded else "",
        criterion_figure(name, each.needed),
        "yes" if each.passed else "no",
        each.against or missing,
    )


def _bounds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "[not bounded yet]"
    return f"[{percent(low)}, {percent(high)}]"


def percent(value: float | None) -> str:
    """Format a share as per cent; ``-`` for ``None``."""
    return "-" if value is None else f"{100 * value:.1f} %"

"""Writes the part of the report that is about one model."""

from collections.abc import Sequence
from html import escape
from typing import Final

from gnomon.verdict.report import charts, detail_charts
from gnomon.verdict.report.blocks import coloured, empty, figures, moment, table, word
from gnomon.verdict.report.covered import coverages
from gnomon.verdict.report.pictures import Pictures
from gnomon.verdict.report.view import criterion_figure, item_figure, percent
from gnomon.verdict.result import Bounded, Compared, Criterion, ModelVerdict
from gnomon.verdict.settings import VerdictSettings
from gnomon.verdict.slices import Slice, judged

KINDS: Final = {"GO": "good", "NO-GO": "bad", "STOP-HARM": "bad", "CONTINUE": "faint"}
_STATUS: Final = {"passed": "good", "failed": "bad", "unknown": "faint"}
_NO_LOSS: Final = (
    "No task has been scored yet: a task counts when it has ended and is mature. Let the agents go on,"
    " export the comparisons again, and judge the new file."
)
_NO_INTERVALS: Final = (
    "The predictions of this model have no intervals. Those of the learners mix and pool do:"
    " gnomon train --learner mix."
)
_NO_FEATURES: Final = (
    "The file has too few decisions to compare features: it needs 200 that had ended before the first"
    " prediction of this model, and 200 that it predicted. Export an earlier beginning of the topic."
)


def section(model: ModelVerdict, drawn: Pictures, settings: VerdictSettings) -> str:
    """Return everything about one model.

    Args:
        model: The verdict.
        drawn: The data of its charts.
        settings: The settings of the verdict.
    """
    title = f"{escape(model.name)} version {escape(model.version)}"
    parts = [
        f'<section class="model-section"><h2>{title} {word(model.word, KINDS[model.word])}</h2>',
        _summary(model),
        "<h3>Checklist for a rollout</h3>",
        _checklist(model),
        "<h3>Criteria of the verdict</h3>",
        _criteria(model),
        "<h3>Against each baseline</h3>",
        _against(model),
        figures([charts.evidence(drawn, settings.delta), charts.baselines(model)]),
        "<h3>Predictions</h3>",
        _predictions(drawn, settings.reference),
        "<h3>By agent</h3>",
        _slices(judged(drawn.slices.agents, settings), "agent", settings),
        "<h3>By task type</h3>",
        _slices(judged(drawn.slices.types, settings), "task type", settings),
        "<h3>Intervals</h3>",
        _intervals(drawn),
        "<h3>Drift</h3>",
        _drift(model, drawn, settings.reference),
        "<h3>Ledger</h3>",
        _ledger(drawn),
        "</section>",
    ]
    return "\n".join(parts)


def _summary(model: ModelVerdict) -> str:
    soon = ""
    if model.decides_in_hours is not None:
        soon = f" Estimate: decided in about {model.decides_in_hours} more active hours."
    blocked = f" Blocked by {', '.join(model.blocked_by)}." if model.blocked_by else ""
    correlation = "unknown" if model.correlation is None else f"{model.correlation:.2f}"
    return (
        f"<p>SHA-256 <code>{escape(model.sha256 or 'none')}</code>. {model.decisions} decisions of"
        f" {model.agents} agents in {model.blocks} agent-hours and {model.active_hours} active hours;"
        f" correlation of hours {correlation}; {percent(model.within_25)} of the durations were"
        f" predicted to within 25 %.{escape(blocked)}{soon}</p>"
    )


def _checklist(model: ModelVerdict) -> str:
    rows = [
        (
            escape(item.name),
            coloured(item.status, _STATUS[item.status]),
            item_figure(item, item.figure),
            item_figure(item, item.needed),
            escape(item.todo),
        )
        for item in model.checklist
    ]
    return table(("needed for a rollout", "status", "found", "threshold", "what to do"), rows)


def _criteria(model: ModelVerdict) -> str:
    rows = [
        (
            escape(name),
            criterion_figure(name, each.estimate),
            _bounds(each),
            criterion_figure(name, each.needed),
            "yes" if each.passed else coloured("no", "bad"),
            escape(each.against or ", ".join(each.missing or ())),
        )
        for name, each in model.criteria.items()
    ]
    return table(("criterion", "found", "bounds", "threshold", "holds", "against, missing"), rows)


def _against(model: ModelVerdict) -> str:
    rows = [
        (
            f"{escape(baseline)}, {escape(loss)}",
            percent(found.estimate),
            _bounds(found),
            _bounds(found.agents_like_these),
            f"{percent(found.worst)} to {percent(found.best)}",
        )
        for baseline, by_loss in model.against.items()
        for loss, found in by_loss.items()
    ]
    head = ("baseline, loss", "better by", "these agents", "agents like these", "expired tasks")
    return table(head, rows) if rows else empty(_NO_LOSS)


def _bounds(found: Bounded | Compared | Criterion | Slice) -> str:
    if found.low is None and found.high is None:
        return ""
    return f"{percent(found.low)} to {percent(found.high)}"


def _predictions(drawn: Pictures, reference: str) -> str:
    shown = [charts.durations(drawn), charts.residuals(drawn, reference), charts.reliability(drawn)]
    return figures(shown) or empty(_NO_LOSS)


def _slices(found: Sequence[Slice], kind: str, settings: VerdictSettings) -> str:
    if not found:
        return empty(_NO_LOSS)
    shown = found[: detail_charts.MOST_ROWS]
    rows = [
        (
            escape(each.name),
            str(each.decisions),
            str(each.blocks),
            percent(each.estimate),
            _bounds(each),
            "" if each.e_value is None else f"{each.e_value:.3g}",
            coloured("surely", "bad") if each.harmed else "",
        )
        for each in shown
    ]
    more = f" The first {len(shown)} of {len(found)} are shown." if len(found) > len(shown) else ""
    head = (kind, "decisions", "agent-hours", "better by", "bounds", "e-value of harm", "harmed")
    return (
        f"<p>Improvement of log loss over {settings.reference}. Bounds need at least"
        f" {settings.min_blocks} agent-hours and {settings.min_active_hours} active hours. Harm is"
        f" found by e-BH at level {settings.alpha:g} among those with at least {settings.min_blocks}"
        f" active hours.{more}</p>"
        + figures([detail_charts.slices(found, kind)])
        + table(head, rows)
    )


def _intervals(drawn: Pictures) -> str:
    found = coverages(drawn.covered)
    if not found:
        return empty(_NO_INTERVALS)
    rows = []
    for each in found:
        lowest, highest = each.rolling.lowest, each.rolling.highest
        agent, share = each.worst_agent or ("", None)
        rows.append(
            (
                f"{escape(each.level)} %",
                str(each.tasks),
                percent(each.inside / each.tasks),
                "" if lowest is None else f"{percent(lowest)} to {percent(highest)}",
                "" if share is None else f"{percent(share)} ({escape(agent)})",
                f"{each.factor:.3g}",
            )
        )
    head = ("interval", "tasks", "inside", "any 200 in a row", "worst agent", "high / low, typical")
    return table(head, rows) + figures([detail_charts.coverage(found)])


def _drift(model: ModelVerdict, drawn: Pictures, reference: str) -> str:
    drift = model.drift
    shown = figures([detail_charts.losses(drawn, drift, reference), detail_charts.features(drift)])
    if drift is None:
        return shown or empty(_NO_FEATURES)
    latest = drift.changes[-1] if drift.changes else None
    change = "No change of the mean loss was found."
    if latest is not None:
        change = (
            f"{len(drift.changes)} changes of the mean loss, the latest at {moment(latest.at_ms)}:"
            f" from {percent(latest.before)} to {percent(latest.after)} ({latest.detector})."
        )
    head = f"<p>{word(drift.word, 'bad' if drift.word == 'alarm' else 'faint')} {change}</p>"
    if not drift.features:
        return head + shown + empty(_NO_FEATURES)
    rows = [
        (
            escape(name),
            f"{each.psi:.3f}",
            "" if each.distance is None else f"{each.distance:.2f}",
            escape(each.word),
        )
        for name, each in drift.features.items()
    ]
    note = (
        f"<p>The last {drift.rows} decisions are compared with {drift.training_rows} that had ended"
        " before the first prediction: those that it can have been trained on.</p>"
    )
    table_head = ("feature", "PSI", "distance, standard deviations", "meaning")
    return head + shown + note + table(table_head, rows)


def _ledger(drawn: Pictures) -> str:
    counts = drawn.ledger
    head = ("predicted", "matched", "expired", "cancelled")
    row = tuple(str(counts[name]) for name in head)
    of_matched = ("scored", "immature", "unpredicted")
    return table(
        (*head, "of matched: scored", "immature", "without a predicted duration"),
        [(*row, *(str(counts[name]) for name in of_matched))],
    )

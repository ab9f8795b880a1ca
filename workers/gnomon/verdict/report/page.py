"""Writes the report as one self-contained page: no script, no external files, printable."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

import msgspec

from gnomon.verdict.report import charts, svg
from gnomon.verdict.report.pictures import Pictures
from gnomon.verdict.report.view import percent
from gnomon.verdict.result import Criterion, ModelVerdict, Verdicts

_COLOURS: Final = {"GO": svg.GREEN, "NO-GO": svg.RED, "STOP-HARM": svg.RED, "CONTINUE": svg.GREY}
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1d21 }
h1, h2, h3 { line-height: 1.2 } table { border-collapse: collapse; margin: .6rem 0 }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; border-bottom: 1px solid #e2e5e9; vertical-align: top }
.word { color: #fff; padding: .1rem .6rem; border-radius: .3rem } .no { color: #b3261e } code { word-break: break-all }
figure { margin: 1rem 0; break-inside: avoid } svg { width: 100%; max-width: 44rem; height: auto }
pre { white-space: pre-wrap; background: #f5f6f8; padding: .7rem }
@media print { body { margin: 0; max-width: none; font-size: 11px } section { break-before: page } }
"""


def page(verdicts: Verdicts, album: Mapping[str, Pictures]) -> str:
    """Return the report as HTML.

    Args:
        verdicts: The verdicts on all models.
        album: The data of the charts by SHA-256, or by name and version if there is none.
    """
    models = [
        _model(model, album.get(model.sha256 or f"{model.name}@{model.version}"), verdicts)
        for model in verdicts.models
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>gnomon: verdict</title><style>{_STYLE}</style></head><body>",
            "<h1>May a model go?</h1>",
            _overview(verdicts),
            *models,
            _appendix(verdicts),
            "</body></html>\n",
        ]
    )


def _overview(verdicts: Verdicts) -> str:
    rows = [
        (
            f"{escape(model.name)} {escape(model.version)}",
            _word(model),
            escape(", ".join(model.blocked_by)) or "nothing",
            str(model.decisions),
            str(model.active_hours),
        )
        for model in verdicts.models
    ]
    if not rows:
        return "<p>No model has predicted any of the decisions.</p>"
    return _table(("model", "verdict", "blocked by", "decisions", "active hours"), rows)


def _model(model: ModelVerdict, drawn: Pictures | None, verdicts: Verdicts) -> str:
    rows = [
        (
            escape(name),
            _figure(name, each, each.estimate),
            f"{percent(each.low)} to {percent(each.high)}" if each.low is not None else "",
            _figure(name, each, each.needed),
            "yes" if each.passed else '<span class="no">no</span>',
            escape(each.against or ", ".join(each.missing or ())),
        )
        for name, each in model.criteria.items()
    ]
    losses = [
        (
            escape(baseline),
            escape(loss),
            percent(found.estimate),
            f"{percent(found.low)} to {percent(found.high)}",
            f"{percent(found.agents_like_these.low)} to {percent(found.agents_like_these.high)}",
            f"{percent(found.worst)} to {percent(found.best)}",
        )
        for baseline, by_loss in model.against.items()
        for loss, found in by_loss.items()
    ]
    harm = [
        (escape(each.agent_id), percent(each.improvement), str(each.blocks), f"{each.e_value:.3g}")
        for each in model.harm
    ]
    soon = "" if model.decides_in_hours is None else (
        f" As things look it is decided in about {model.decides_in_hours} more active hours."
    )  # fmt: skip
    parts = [
        f"<section><h2>{escape(model.name)} version {escape(model.version)} {_word(model)}</h2>",
        f"<p>SHA-256 <code>{escape(model.sha256 or 'none')}</code>. {model.decisions} decisions of"
        f" {model.agents} agents in {model.blocks} blocks and {model.active_hours} active hours;"
        f" correlation of hours {_number(model.correlation)}; {model.expired} expired,"
        f" {model.cancelled} cancelled, {model.immature} immature.{soon}</p>",
        "<h3>Criteria</h3>",
        _table(("criterion", "found", "bounds", "needed", "holds", "against, missing"), rows),
        "<h3>Against each baseline</h3>",
        _table(
            ("baseline", "loss", "better by", "these agents", "agents like these", "expired tasks"),
            losses,
        ),
        charts.forest(model),
    ]
    if harm:
        parts += [
            "<h3>Agents surely harmed</h3>",
            _table(("agent", "better by", "blocks", "e-value"), harm),
        ]
    if drawn is not None:
        parts += [
            charts.evidence(drawn, verdicts.settings.delta),
            charts.durations(drawn),
            charts.residuals(drawn, verdicts.settings.reference),
            charts.reliability(drawn),
        ]
    return "\n".join([*parts, "</section>"])


def _appendix(verdicts: Verdicts) -> str:
    held = [
        (escape(drill.drill), charts.moment(drill.at_ms), "passed" if drill.passed else "failed")
        for drill in verdicts.drills
    ]
    settings = msgspec.json.format(verdicts.settings.canonical(), indent=2).decode()
    return "\n".join(
        [
            "<section><h2>How it was judged</h2>",
            f"<p>{verdicts.records} distinct decisions and {verdicts.repeats} repeats, up to"
            f" {charts.moment(verdicts.watermark_ms)}. Drills are held against {charts.moment(verdicts.now_ms)}.</p>",
            f"<p>Settings <code>{verdicts.settings_sha256}</code></p><pre>{escape(settings)}</pre>",
            f"<p>Training window: tasks are mature after {verdicts.window.mature_after_ms / 1000:g} s;"
            " seconds are clipped at "
            + ", ".join(
                f"{us / 1e6:g} s ({escape(name)})"
                for name, us in sorted(verdicts.window.clip_us.items())
            )
            + ".</p><h3>Drills</h3>",
            _table(("drill", "held", "outcome"), held) if held else "<p>None is known.</p>",
            "</section>",
        ]
    )


def _figure(name: str, each: Criterion, value: float | None) -> str:
    counted = each.missing is not None or name in {"decisions", "blocks", "active_hours"}
    return f"{value:.0f}" if counted and value is not None else percent(value)


def _word(model: ModelVerdict) -> str:
    return f'<span class="word" style="background: {_COLOURS[model.word]}">{model.word}</span>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are already HTML."""
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"

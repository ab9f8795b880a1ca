"""The report as one self-contained page: no script, nothing to load, readable on paper."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

import msgspec

from gnomon.verdict import svg
from gnomon.verdict.decided import HOUR_MS
from gnomon.verdict.pictures import CELLS, RESIDUALS, Pictures, edge_s
from gnomon.verdict.result import Criterion, ModelVerdict, Verdicts
from gnomon.verdict.view import percent

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
    """The report.

    Args:
        verdicts: All that was judged.
        album: Pictures by SHA-256, or by name and version where there is none.
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
        _forest(model),
    ]
    if harm:
        parts += [
            "<h3>Agents surely harmed</h3>",
            _table(("agent", "better by", "blocks", "e-value"), harm),
        ]
    if drawn is not None:
        parts += [
            _evidence(drawn, verdicts.settings.delta),
            _durations(drawn),
            _residuals(drawn, verdicts.settings.reference),
            _reliability(drawn),
        ]
    return "\n".join([*parts, "</section>"])


def _evidence(drawn: Pictures, delta: float) -> str:
    looks = [look for look in drawn.looks if look.found.estimate is not None]
    if not looks:
        return ""
    first, last = looks[0].hour, max(looks[-1].hour, looks[0].hour + 1)
    marks = [first + (last - first) * k / 4 for k in range(5)]
    picture = svg.Picture(
        svg.numbered(first, last, marks, "hour of prediction, UTC", _hour),
        svg.percents(-0.5, 1.0, ""),
        "Improvement of log loss over time, with bounds",
    )
    bounded = [
        (look.hour, look.found.low, look.found.high)
        for look in looks
        if look.found.low is not None and look.found.high is not None
    ]
    if bounded:
        picture.band(bounded, svg.BLUE)
    picture.line([(first, 0), (last, 0)], svg.GREY)
    picture.line([(first, delta), (last, delta)], svg.GREEN, dashed=True)
    picture.line([(look.hour, look.found.estimate or 0.0) for look in looks], svg.BLUE)
    return _drawn(
        picture,
        f"Improvement of log loss against zero and {percent(delta)} (dashed), as it was known after each"
        " hour; shaded from the time when it is bounded.",
    )


def _forest(model: ModelVerdict) -> str:
    rows = [
        (f"{baseline}, {loss}", found)
        for baseline, by_loss in model.against.items()
        for loss, found in by_loss.items()
        if found.estimate is not None
    ]
    if not rows:
        return ""
    picture = svg.Picture(
        svg.percents(-1.0, 1.0, "better by"),
        svg.Axis(-0.5, len(rows) - 0.5, [(i, name) for i, (name, _) in enumerate(rows)], ""),
        "Improvement against each baseline, with bounds",
        height=70 + 24 * len(rows),
        left=150,
    )
    picture.line([(0, -0.5), (0, len(rows) - 0.5)], svg.GREY)
    for place, (_, found) in enumerate(rows):
        others = found.agents_like_these
        if others.low is not None and others.high is not None:
            picture.line([(others.low, place), (others.high, place)], svg.GREY, dashed=True)
        if found.low is not None and found.high is not None:
            picture.line([(found.low, place), (found.high, place)], svg.BLUE)
        picture.dot(found.estimate or 0.0, place, svg.BLUE)
    return _drawn(
        picture, "Better by, against each baseline: these agents, and agents like these (dashed)."
    )


def _durations(drawn: Pictures) -> str:
    most = max(drawn.durations.values(), default=0)
    if not most:
        return ""
    marks = range(0, CELLS + 1, 4)
    axis = svg.numbered(0, CELLS, marks, "actual, seconds", lambda cell: f"{edge_s(cell):g}")
    said = svg.numbered(0, CELLS, marks, "predicted, s", lambda cell: f"{edge_s(cell):g}")
    picture = svg.Picture(axis, said, "Predicted beside actual durations", height=380)
    for (actual, predicted), count in sorted(drawn.durations.items()):
        place = (actual, predicted, actual + 1, predicted + 1)
        picture.box(place, svg.BLUE, opacity=0.15 + 0.85 * count / most)
    picture.line([(0, 0), (CELLS, CELLS)], svg.GREY)
    return _drawn(picture, f"Predicted beside actual; the darkest cell has {most} decisions.")


def _residuals(drawn: Pictures, reference: str) -> str:
    ours, theirs = ([n / max(1, sum(each)) for n in each] for each in drawn.residuals)
    top = max(*ours, *theirs)
    if not top:
        return ""
    middle = RESIDUALS // 2
    marks = range(middle % 8, RESIDUALS, 8)
    picture = svg.Picture(
        svg.numbered(-0.5, RESIDUALS - 0.5, marks, "ln((predicted + 1) / (actual + 1))",
                     lambda place: f"{(place - middle) / 8:g}"),
        svg.percents(0.0, top * 1.05, ""),
        "Residuals",
    )  # fmt: skip
    for place, share in enumerate(ours):
        picture.box((place - 0.45, 0, place + 0.45, share), svg.BLUE, opacity=0.7)
    picture.line(list(enumerate(theirs)), svg.GREY)
    return _drawn(picture, f"Residuals in logarithms: the model (bars) and {reference} (line).")


def _reliability(drawn: Pictures) -> str:
    tenths = [(n, total / n, hits / n) for n, total, hits in drawn.reliability if n]
    if not tenths:
        return ""
    most = max(n for n, *_ in tenths)
    picture = svg.Picture(
        svg.percents(0.0, 1.0, "predicted probability of success"),
        svg.percents(0.0, 1.0, ""),
        "Reliability of the probability of success",
    )
    picture.line([(0, 0), (1, 1)], svg.GREY)
    for n, said, came in tenths:
        picture.dot(said, came, svg.BLUE, 2 + 7 * (n / most) ** 0.5)
    return _drawn(
        picture, "Predicted probability and what came, by tenths; areas are numbers of decisions."
    )


def _appendix(verdicts: Verdicts) -> str:
    held = [
        (escape(drill.drill), _moment(drill.at_ms), "passed" if drill.passed else "failed")
        for drill in verdicts.drills
    ]
    settings = msgspec.json.format(verdicts.settings.canonical(), indent=2).decode()
    return "\n".join(
        [
            "<section><h2>How it was judged</h2>",
            f"<p>{verdicts.records} distinct decisions and {verdicts.repeats} repeats, up to"
            f" {_moment(verdicts.watermark_ms)}. Drills are held against {_moment(verdicts.now_ms)}.</p>",
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
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _drawn(picture: svg.Picture, caption: str) -> str:
    return f"<figure>{picture.svg()}<figcaption>{escape(caption)}</figcaption></figure>"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _hour(hour: float) -> str:
    return _moment(round(hour) * HOUR_MS)[:13] + " h"


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"

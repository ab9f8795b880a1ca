"""Writes the report as one self-contained page: no script, no external files, printable."""

from collections.abc import Iterable
from html import escape
from typing import Final

import msgspec

from gnomon.verdict.evidence.window import MOST_CLIP_US
from gnomon.verdict.report import detail_charts
from gnomon.verdict.report.blocks import coloured, empty, figures, moment, table, word
from gnomon.verdict.report.model_section import KINDS, section
from gnomon.verdict.report.pictures import Album, Pictures
from gnomon.verdict.report.source import Source
from gnomon.verdict.report.style import STYLE
from gnomon.verdict.result import Drill, ModelVerdict, Verdicts

DAY_MS: Final = 86_400_000
_NO_MODEL: Final = (
    "No model has predicted any of the decisions. Train one with gnomon train, let the shadow stage"
    " predict while agents work, then export the topic comparisons and judge that file."
)
_NO_IMPACT: Final = (
    "Not measured. Run gnomon drill isolation: it measures a service with and without gnomon's client"
    " while the broker is killed, and leaves its report in the data folder, or give it with --drills."
)
_NO_DRILL: Final = (
    "None is known. Run gnomon drill isolation, rollback and security, and note drills of your own"
    " with gnomon drill record."
)
_NO_OFFSETS: Final = (
    "The lines have no partition and offset, so the range of offsets is not known. gnomon tail"
    " comparisons --no-follow --json --offsets writes lines that have them."
)


def page(verdicts: Verdicts, album: Album, source: Source, *, shown: Iterable[ModelVerdict]) -> str:
    """Return the report as HTML.

    Args:
        verdicts: The verdicts on all models.
        album: The data of the charts.
        source: What was read.
        shown: The models that get a section; all are in the overview.
    """
    models = [
        section(model, album.pictures.get(model.key, Pictures()), verdicts.settings)
        for model in shown
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>gnomon: verdict</title><style>{STYLE}</style></head><body>",
            "<h1>May a model steer agents?</h1>",
            _overview(verdicts),
            *models,
            _impact(verdicts.drills),
            _drills(verdicts),
            _judged(verdicts, album, source),
            "</body></html>\n",
        ]
    )


def _overview(verdicts: Verdicts) -> str:
    rows = [
        (
            f"{escape(model.name)} {escape(model.version)}",
            word(model.word, KINDS[model.word]),
            escape(", ".join(model.blocked_by)) or "nothing",
            str(model.decisions),
            str(model.active_hours),
        )
        for model in verdicts.models
    ]
    if not rows:
        return empty(_NO_MODEL)
    return table(("model", "verdict", "blocked by", "decisions", "active hours"), rows)


def latest(drills: Iterable[Drill]) -> list[Drill]:
    """Return the last drill of each name, in the order of the names."""
    by_name: dict[str, Drill] = {}
    for drill in sorted(drills, key=lambda each: (each.at_ms, not each.passed)):
        by_name[drill.drill] = drill
    return [by_name[name] for name in sorted(by_name)]


def _impact(drills: Iterable[Drill]) -> str:
    measured = [drill for drill in latest(drills) if drill.compared]
    parts = ['<section id="impact"><h2>Impact on production</h2>']
    if not measured:
        return "\n".join([*parts, empty(_NO_IMPACT), "</section>"])
    (drill,) = measured[-1:]
    rows = [
        (
            f"{escape(quantile)}, {escape(detail_charts.PHASES.get(phase, phase))}",
            _number(each.without_ms, "ms"),
            _number(each.with_ms, "ms"),
            _number(each.ratio, ""),
            _number(each.limit, ""),
        )
        for phase, by_quantile in drill.compared.items()
        for quantile, each in by_quantile.items()
    ]
    parts += [
        f"<p>Measured {moment(drill.at_ms)}: {_outcome(drill)}.</p>",
        figures([detail_charts.impact(drill)]),
        table(("latency", "without the client", "with it", "ratio", "limit"), rows),
        "</section>",
    ]
    return "\n".join(parts)


def _drills(verdicts: Verdicts) -> str:
    rows = [
        (
            escape(drill.drill),
            moment(drill.at_ms),
            f"{max(0, verdicts.now_ms - drill.at_ms) / DAY_MS:.1f} days",
            _outcome(drill),
            "" if drill.longest_s is None else f"{drill.longest_s:.2f} s until all had switched",
        )
        for drill in latest(verdicts.drills)
    ]
    shown = (
        table(("drill", "held", "age", "outcome", "measured"), rows) if rows else empty(_NO_DRILL)
    )
    return (
        f'<section id="drills"><h2>Drills</h2><p>Age is measured from {moment(verdicts.now_ms)}; a'
        f" drill counts for {verdicts.settings.drill_days} days.</p>{shown}</section>"
    )


def _judged(verdicts: Verdicts, album: Album, source: Source) -> str:
    settings = msgspec.json.format(verdicts.settings.canonical(), indent=2).decode()
    clips = ", ".join(
        f"{us / 1e6:g} s ({escape(name)})"
        for name, us in sorted(verdicts.window.clip_us.items())
        if us < MOST_CLIP_US
    )
    counts = album.ledger
    offsets = [
        (str(partition), str(first), str(last))
        for partition, (first, last) in sorted(source.offsets.items())
    ]
    return "\n".join(
        [
            '<section id="judged"><h2>How it was judged</h2>',
            f"<p>{verdicts.records} distinct decisions and {verdicts.repeats} repeats up to"
            f" {moment(verdicts.watermark_ms)}: {counts['matched']} matched, {counts['expired']}"
            f" expired, {counts['cancelled']} cancelled; {counts['unregistered']} before the"
            " registration do not count.</p>",
            f"<p>Read from the {escape(source.name)}: {source.size_bytes} bytes, SHA-256"
            f" <code>{source.sha256}</code>. {escape(source.note)}</p>",
            "<h3>Offsets</h3>",
            table(("partition", "first offset", "last offset"), offsets)
            if offsets
            else empty(_NO_OFFSETS),
            "<h3>Training window</h3>",
            f"<p>Tasks are mature after {verdicts.window.mature_after_ms / 1000:g} s; seconds are"
            f" clipped at {clips or 'no value'}.</p>",
            "<h3>Settings</h3>",
            f"<p>SHA-256 <code>{verdicts.settings_sha256}</code></p><pre>{escape(settings)}</pre>",
            "</section>",
        ]
    )


def _outcome(drill: Drill) -> str:
    return coloured("passed", "good") if drill.passed else coloured("failed", "bad")


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f} {unit}".rstrip()

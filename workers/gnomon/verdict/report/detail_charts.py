"""Draws the charts of slices, intervals, drift and production impact; empty if there are no data."""

from collections.abc import Sequence
from typing import Final

from gnomon.drift import Drift
from gnomon.drift.notices import PSI_LARGE, PSI_NOTABLE
from gnomon.verdict.report import svg
from gnomon.verdict.report.blocks import figure
from gnomon.verdict.report.charts import forest, times
from gnomon.verdict.report.covered import Coverage
from gnomon.verdict.report.pictures import Pictures
from gnomon.verdict.result import Drill
from gnomon.verdict.slices import Slice

MOST_ROWS: Final = 24
_MOST_PSI: Final = 1.0
_COLOURS: Final[tuple[svg.Colour, ...]] = ("model", "second", "good")


def slices(found: Sequence[Slice], kind: str) -> str:
    """Draw a forest plot of the first ``MOST_ROWS`` slices that have an estimate."""
    rows = [each for each in found if each.estimate is not None][:MOST_ROWS]
    if not rows:
        return ""
    picture = forest([each.name for each in rows], f"Improvement by {kind}")
    for place, each in enumerate(rows):
        colour: svg.Colour = "bad" if each.harmed else "model"
        if each.low is not None and each.high is not None:
            picture.line([(each.low, -place), (each.high, -place)], colour)
        picture.dot(each.estimate or 0.0, -place, colour)
    return figure(
        picture,
        f"Better by, for each {kind}, with bounds where there are enough agent-hours; surely harmed"
        " ones are red.",
    )


def coverage(found: Sequence[Coverage]) -> str:
    """Draw the share of durations inside the intervals, over the last tasks, with its target."""
    drawn = [each for each in found if each.rolling.points][: len(_COLOURS)]
    if not drawn:
        return ""
    at_ms = [at for each in drawn for at, _ in each.rolling.points]
    low = min([0.5, *(share for each in drawn for _, share in each.rolling.points)])
    first, last = min(at_ms), max(*at_ms, min(at_ms) + 1)
    picture = svg.Picture(
        times(first, last, "time of prediction, UTC"),
        svg.percents(low, 1.0, ""),
        "Coverage of the intervals over time",
    )
    for colour, each in zip(_COLOURS, drawn, strict=False):
        target = int(each.level) / 100 if each.level.isdecimal() else 0.0
        picture.line([(first, target), (last, target)], colour, dashed=True)
        picture.line(each.rolling.points, colour)
    names = ("blue", "orange", "green")
    levels = ", ".join(f"{each.level} % ({name})" for name, each in zip(names, drawn, strict=False))
    return figure(
        picture,
        f"Share of durations inside the intervals of {levels} over the last 200 tasks; dashed: what"
        " it should be.",
    )


def losses(drawn: Pictures, drift: Drift | None, reference: str) -> str:
    """Draw the mean loss of the model and of the reference over the last tasks, with its changes."""
    lines = [each.points for each in drawn.losses]
    if not lines[0]:
        return ""
    at_ms = [at for line in lines for at, _ in line]
    first, last = min(at_ms), max(*at_ms, min(at_ms) + 1)
    top = max(share for line in lines for _, share in line)
    picture = svg.Picture(
        times(first, last, "time of prediction, UTC"),
        svg.percents(0.0, top * 1.1, ""),
        "Mean loss over time, with changes",
    )
    for change in drift.changes if drift is not None else ():
        marked: svg.Colour = "bad" if change.worsened else "good"
        picture.line([(change.at_ms, 0.0), (change.at_ms, top * 1.1)], marked, dashed=True)
    picture.line(lines[1], "second")
    picture.line(lines[0], "model")
    return figure(
        picture,
        f"Mean loss over the last 200 tasks, scaled to 0 to 100 %: the model, and {reference} (orange)."
        " Dashed: a change was found, to the worse (red) or to the better (green).",
    )


def features(drift: Drift | None) -> str:
    """Draw the PSI of each feature beside the usual bounds."""
    if drift is None or not drift.features:
        return ""
    names = list(drift.features)
    top = min(_MOST_PSI, max(0.3, *(each.psi for each in drift.features.values())))
    picture = svg.Picture(
        svg.numbered(0, top, [0, PSI_NOTABLE, PSI_LARGE, 0.5, 1.0][: 5 if top > 0.5 else 3],  # noqa: PLR2004
                     "PSI", lambda at: f"{at:g}"),
        svg.listed(names, 28),
        "Drift of each feature",
        height=64 + 20 * len(names),
        left=214,
    )  # fmt: skip
    for place, each in enumerate(drift.features.values()):
        colour: svg.Colour = "bad" if each.psi >= PSI_LARGE else "model"
        picture.box((0, -place - 0.3, each.psi, -place + 0.3), colour, opacity=0.8)
    for bound in (PSI_NOTABLE, PSI_LARGE):
        picture.line([(bound, 0.5), (bound, 0.5 - len(names))], "faint", dashed=True)
    return figure(
        picture,
        f"Features against training: PSI, cut off at {_MOST_PSI:g}; from {PSI_NOTABLE} (dashed) a"
        f" change is notable, from {PSI_LARGE} a reason to train again.",
    )


def impact(drill: Drill) -> str:
    """Draw the latencies without and with the client."""
    rows = [
        (f"{quantile}, {PHASES.get(phase, phase)}", latency)
        for phase, by_quantile in drill.compared.items()
        for quantile, latency in by_quantile.items()
        if latency.without_ms is not None and latency.with_ms is not None
    ]
    if not rows:
        return ""
    top = 1.05 * max(ms for _, each in rows for ms in (each.without_ms or 0, each.with_ms or 0))
    picture = svg.Picture(
        svg.numbered(0, top or 1.0, [top * k / 4 for k in range(5)], "milliseconds",
                     lambda at: f"{at:.3g}"),
        svg.listed([name for name, _ in rows]),
        "Latency of a service without and with the client",
        height=64 + 34 * len(rows),
        left=152,
    )  # fmt: skip
    for place, (_, latency) in enumerate(rows):
        picture.box((0, 0.05 - place, latency.without_ms or 0.0, 0.35 - place), "faint")
        picture.box((0, -0.35 - place, latency.with_ms or 0.0, -0.05 - place), "model")
    return figure(picture, "Latency of a service without (grey) and with gnomon's client.")


PHASES: Final = {"up": "broker up", "killed": "after the kill"}

"""Draws the charts of the report, each as an HTML figure."""

from datetime import UTC, datetime
from html import escape

from gnomon.verdict.decided import HOUR_MS
from gnomon.verdict.report import svg
from gnomon.verdict.report.pictures import CELLS, RESIDUALS, Pictures, edge_s
from gnomon.verdict.report.view import percent
from gnomon.verdict.result import ModelVerdict


def evidence(drawn: Pictures, delta: float) -> str:
    """Draw the improvement over time with zero and the threshold; empty if there are no data."""
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


def forest(model: ModelVerdict) -> str:
    """Draw the improvement over each baseline; empty if there are no data."""
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


def durations(drawn: Pictures) -> str:
    """Draw predicted against actual durations; empty if there are no data."""
    most = max(drawn.durations.values(), default=0)
    if not most:
        return ""
    marks = range(0, CELLS + 1, 4)
    axis = svg.numbered(0, CELLS, marks, "actual, seconds", lambda cell: f"{edge_s(cell):g}")
    upward = svg.numbered(0, CELLS, marks, "predicted, s", lambda cell: f"{edge_s(cell):g}")
    picture = svg.Picture(axis, upward, "Predicted beside actual durations", height=380)
    for (actual, predicted), count in sorted(drawn.durations.items()):
        place = (actual, predicted, actual + 1, predicted + 1)
        picture.box(place, svg.BLUE, opacity=0.15 + 0.85 * count / most)
    picture.line([(0, 0), (CELLS, CELLS)], svg.GREY)
    return _drawn(picture, f"Predicted beside actual; the darkest cell has {most} decisions.")


def residuals(drawn: Pictures, reference: str) -> str:
    """Draw the residuals of the model and of the reference; empty if there are no data."""
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


def reliability(drawn: Pictures) -> str:
    """Draw predicted probabilities of success against actual rates; empty if there are no data."""
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
    for n, predicted, came in tenths:
        picture.dot(predicted, came, svg.BLUE, 2 + 7 * (n / most) ** 0.5)
    return _drawn(
        picture, "Predicted probability and what came, by tenths; areas are numbers of decisions."
    )


def _drawn(picture: svg.Picture, caption: str) -> str:
    return f"<figure>{picture.svg()}<figcaption>{escape(caption)}</figcaption></figure>"


def _hour(hour: float) -> str:
    return moment(round(hour) * HOUR_MS)[:13] + " h"


def moment(at_ms: int) -> str:
    """Format a time as text."""
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"

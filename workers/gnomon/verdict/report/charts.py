"""Draws the charts of one model's predictions, each as an HTML figure; empty if there are no data."""

from collections.abc import Sequence

from gnomon.verdict.evidence.decided import HOUR_MS
from gnomon.verdict.report import svg
from gnomon.verdict.report.blocks import figure, moment
from gnomon.verdict.report.pictures import CELLS, RESIDUALS, Pictures, edge_s
from gnomon.verdict.report.view import percent
from gnomon.verdict.result import ModelVerdict


def evidence(drawn: Pictures, delta: float) -> str:
    """Draw the improvement over time with zero and the threshold."""
    looks = [look for look in drawn.looks if look.found.estimate is not None]
    if not looks:
        return ""
    first, last = looks[0].hour, max(looks[-1].hour, looks[0].hour + 1)
    picture = svg.Picture(
        times(first * HOUR_MS, last * HOUR_MS, "hour of prediction, UTC"),
        svg.percents(-0.5, 1.0, ""),
        "Improvement of log loss over time, with bounds",
    )
    bounded = [
        (look.hour * HOUR_MS, look.found.low, look.found.high)
        for look in looks
        if look.found.low is not None and look.found.high is not None
    ]
    if bounded:
        picture.band(bounded, "model")
    picture.line([(first * HOUR_MS, 0), (last * HOUR_MS, 0)], "faint")
    picture.line([(first * HOUR_MS, delta), (last * HOUR_MS, delta)], "good", dashed=True)
    picture.line([(look.hour * HOUR_MS, look.found.estimate or 0.0) for look in looks], "model")
    return figure(
        picture,
        f"Evidence: improvement of log loss against zero and {percent(delta)} (dashed), as it was known"
        " after each hour; shaded from the time when it is bounded.",
    )


def baselines(model: ModelVerdict) -> str:
    """Draw the improvement over each baseline."""
    rows = [
        (f"{baseline}, {loss}", found)
        for baseline, by_loss in model.against.items()
        for loss, found in by_loss.items()
        if found.estimate is not None
    ]
    if not rows:
        return ""
    picture = forest([name for name, _ in rows], "Improvement against each baseline, with bounds")
    for place, (_, found) in enumerate(rows):
        others = found.agents_like_these
        if others.low is not None and others.high is not None:
            picture.line([(others.low, -place), (others.high, -place)], "faint", dashed=True)
        if found.low is not None and found.high is not None:
            picture.line([(found.low, -place), (found.high, -place)], "model")
        picture.dot(found.estimate or 0.0, -place, "model")
    return figure(
        picture, "Better by, against each baseline: these agents, and agents like these (dashed)."
    )


def forest(names: Sequence[str], label: str) -> svg.Picture:
    """Return a chart of improvements with a row for each name, and a line at zero."""
    picture = svg.Picture(
        svg.percents(-1.0, 1.0, "better by"),
        svg.listed(names),
        label,
        height=64 + 22 * len(names),
        left=152,
    )
    picture.line([(0, -place) for place in (-0.5, len(names) - 0.5)], "faint")
    return picture


def durations(drawn: Pictures) -> str:
    """Draw predicted against actual durations."""
    most = max(drawn.durations.values(), default=0)
    if not most:
        return ""
    marks = range(0, CELLS + 1, 4)
    axis = svg.numbered(0, CELLS, marks, "actual duration, seconds", _seconds)
    upward = svg.numbered(0, CELLS, marks, "", _seconds)
    picture = svg.Picture(axis, upward, "Predicted beside actual durations", height=430)
    for (actual, predicted), count in sorted(drawn.durations.items()):
        place = (actual, predicted, actual + 1, predicted + 1)
        picture.box(place, "model", opacity=0.15 + 0.85 * count / most)
    picture.line([(0, 0), (CELLS, CELLS)], "faint")
    return figure(
        picture,
        "Predicted (upward, seconds) beside actual durations; above the line a task took less than"
        f" predicted. The darkest cell has {most} decisions.",
        is_tall=True,
    )


def residuals(drawn: Pictures, reference: str) -> str:
    """Draw the residuals of the model and of the reference baseline."""
    ours, theirs = ([n / max(1, sum(each)) for n in each] for each in drawn.residuals)
    top = max(*ours, *theirs)
    if not top:
        return ""
    middle = RESIDUALS // 2
    picture = svg.Picture(
        svg.numbered(-0.5, RESIDUALS - 0.5, range(middle % 8, RESIDUALS, 8),
                     "ln((predicted + 1) / (actual + 1))",
                     lambda place: f"{(place - middle) / 8:g}"),
        svg.percents(0.0, top * 1.05, ""),
        "Residuals",
    )  # fmt: skip
    for place, share in enumerate(ours):
        picture.box((place - 0.45, 0, place + 0.45, share), "model", opacity=0.7)
    picture.line(list(enumerate(theirs)), "second")
    return figure(
        picture, f"Residuals in logarithms: shares of the model (bars) and of {reference} (line)."
    )


def reliability(drawn: Pictures) -> str:
    """Draw predicted probabilities of success against actual rates."""
    tenths = [(n, total / n, hits / n) for n, total, hits in drawn.reliability if n]
    if not tenths:
        return ""
    most = max(n for n, *_ in tenths)
    picture = svg.Picture(
        svg.percents(0.0, 1.0, "predicted probability of success"),
        svg.percents(0.0, 1.0, ""),
        "Reliability of the probability of success",
    )
    picture.line([(0, 0), (1, 1)], "faint")
    for n, predicted, came in tenths:
        picture.dot(predicted, came, "model", 2 + 7 * (n / most) ** 0.5)
    return figure(
        picture,
        "Reliability: share of the tasks that succeeded (upward), by tenths of the predicted"
        " probability; areas are numbers of decisions.",
    )


def times(first_ms: float, last_ms: float, title: str) -> svg.Axis:
    """Return an axis of time with four ticks."""
    marks = [first_ms + (last_ms - first_ms) * k / 3 for k in range(4)]
    days = last_ms - first_ms > 72 * HOUR_MS
    shown = slice(5, 10) if days else slice(5, 13)
    ticks = [(at, moment(round(at))[shown] + ("" if days else " h")) for at in marks]
    return svg.Axis(first_ms, last_ms, ticks, title)


def _seconds(cell: float) -> str:
    seconds = edge_s(cell)
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if seconds >= size:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}"

"""Charts of figures over time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import altair as alt
import pandas as pd

from gnomon.dashboard.views.drift import LossAt
from gnomon.dashboard.views.live import Rate
from gnomon.dashboard.views.models import Compared
from gnomon.dashboard.views.verdict import NEEDED, Point
from gnomon.store.queries import Calibration, Predicted, Residuals, SeenAt

HEIGHT: Final = 240
TIME: Final = alt.X(
    "at:T",
    title=None,
    axis=alt.Axis(format="%d %b %H:%M", tickCount=5, labelOverlap=True, labelAngle=0),
)
LEGEND: Final = alt.Legend(orient="top")
AT: Final = alt.Tooltip("at:T", title="at", format="%Y-%m-%d %H:%M")


def iso(at_ms: int) -> str:
    """Return a time as browsers read it; they show it in the reader's zone."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat().replace("+00:00", "Z")


def improvement(points: Sequence[Point]) -> alt.LayerChart | alt.FacetChart:
    """Return the improvement over each baseline with its interval, against 0 and 20 %."""
    frame = pd.DataFrame(
        {
            "at": [iso(each.at_ms) for each in points],
            "baseline": [each.baseline for each in points],
            "improvement": [each.estimate for each in points],
            "low": [each.low for each in points],
            "high": [each.high for each in points],
        }
    )
    base = alt.Chart(frame).encode(
        x=TIME,
        color=alt.Color("baseline:N", title="over", legend=LEGEND),
    )
    axis = alt.Axis(format="%", title="better than the baseline")
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", axis=axis), y2="high:Q")
    line = base.mark_line().encode(
        y="improvement:Q",
        tooltip=[
            AT,
            alt.Tooltip("baseline:N", title="over"),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("improvement", "low", "high")),
        ],
    )
    limits = pd.DataFrame({"y": [0.0, NEEDED], "what": ["no better", "20 % needed"]})
    rules = alt.Chart(limits).mark_rule(strokeDash=[4, 4], color="gray").encode(y="y:Q")
    words = (
        alt.Chart(limits)
        .mark_text(align="left", dx=4, dy=-6, color="gray")
        .encode(y="y:Q", x=alt.value(0), text="what:N")
    )
    return alt.layer(band, line, rules, words).properties(height=HEIGHT)


def rates(found: Sequence[Rate]) -> alt.Chart:
    """Return tasks per second over time, by how they ended."""
    frame = pd.DataFrame(
        {
            "at": [iso(each.at_ms) for each in found],
            "status": [each.status for each in found],
            "per_s": [each.per_s for each in found],
        }
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_area()
        .encode(
            x=TIME,
            y=alt.Y("per_s:Q", title="tasks per second"),
            color=alt.Color("status:N", title=None, legend=LEGEND),
            tooltip=[AT, "status:N", alt.Tooltip("per_s:Q", format=".3~g")],
        )
        .properties(height=HEIGHT)
    )
    return chart


def seen(found: Sequence[SeenAt]) -> alt.Chart:
    """Return the mean completeness of features over time."""
    frame = pd.DataFrame(
        {
            "at": [iso(each.bucket_ms) for each in found],
            "completeness": [each.mean_completeness for each in found],
            "incomplete": [each.incomplete for each in found],
        }
    )
    scale = alt.Scale(domain=[0, 1])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line()
        .encode(
            x=TIME,
            y=alt.Y("completeness:Q", scale=scale, axis=alt.Axis(format="%", title="seen")),
            tooltip=[AT, alt.Tooltip("completeness:Q", format=".2%"), "incomplete:Q"],
        )
        .properties(height=HEIGHT)
    )
    return chart


def beside_actual(found: Sequence[Predicted]) -> alt.LayerChart | alt.FacetChart:
    """Return predicted durations with their 80 % intervals beside the actual ones, and where both are equal."""
    known = [each for each in found if each.duration_s is not None and each.predicted_s is not None]
    frame = pd.DataFrame(
        {
            "actual": [each.duration_s for each in known],
            "predicted": [each.predicted_s for each in known],
            "low": [each.low_80_s for each in known],
            "high": [each.high_80_s for each in known],
            "version": [f"{each.model} {each.version}" for each in known],
        }
    )
    base = alt.Chart(frame).encode(
        x=alt.X("actual:Q", title="actual, s", scale=alt.Scale(type="symlog")),
        color=alt.Color("version:N", title=None, legend=LEGEND),
    )
    scale = alt.Scale(type="symlog")
    bars = base.mark_rule(opacity=0.25).encode(
        y=alt.Y("low:Q", title="predicted, s", scale=scale), y2="high:Q"
    )
    dots = base.mark_circle(size=40).encode(
        y=alt.Y("predicted:Q", scale=scale),
        tooltip=[
            alt.Tooltip(f"{n}:Q", format=".3~g") for n in ("actual", "predicted", "low", "high")
        ],
    )
    most = max((each.duration_s or 0.0 for each in known), default=1.0)
    equal = pd.DataFrame({"x": [0.0, most], "y": [0.0, most]})
    line = alt.Chart(equal).mark_line(strokeDash=[4, 4], color="gray").encode(x="x:Q", y="y:Q")
    return alt.layer(bars, line, dots).properties(height=HEIGHT + 60)


def calibration(found: Sequence[Calibration]) -> alt.LayerChart | alt.FacetChart:
    """Return the share of tasks that succeeded beside the predicted probability."""
    frame = pd.DataFrame(
        {
            "probability": [each.mean_probability for each in found],
            "succeeded": [each.succeeded / each.n for each in found],
            "tasks": [each.n for each in found],
        }
    )
    axis, scale = alt.Axis(format="%"), alt.Scale(domain=[0, 1])
    dots = (
        alt.Chart(frame)
        .mark_circle()
        .encode(
            x=alt.X("probability:Q", title="predicted probability", axis=axis, scale=scale),
            y=alt.Y("succeeded:Q", title="succeeded", axis=axis, scale=scale),
            size=alt.Size("tasks:Q", legend=None),
            tooltip=[
                *(alt.Tooltip(f"{n}:Q", format=".1%") for n in ("probability", "succeeded")),
                "tasks:Q",
            ],
        )
    )
    equal = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    line = alt.Chart(equal).mark_line(strokeDash=[4, 4], color="gray").encode(x="x:Q", y="y:Q")
    return alt.layer(line, dots).properties(height=HEIGHT)


def residuals(found: Sequence[Residuals]) -> alt.Chart:
    """Return by what factor durations were over- or underestimated."""
    frame = pd.DataFrame(
        {
            "low": [each.low for each in found],
            "high": [each.low + 0.5 for each in found],
            "tasks": [each.n for each in found],
        }
    )
    title = "log₂(predicted / actual): 0 is right, 1 twice as long"
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("low:Q", title=title, bin="binned"),
            x2="high:Q",
            y=alt.Y("tasks:Q", title="tasks"),
            tooltip=["low:Q", "high:Q", "tasks:Q"],
        )
        .properties(height=HEIGHT)
    )
    return chart


def importance(found: Sequence[tuple[str, float]]) -> alt.Chart:
    """Return by how much the log loss rises when an input is shuffled."""
    frame = pd.DataFrame(
        {"input": [name for name, _ in found], "rise": [value for _, value in found]}
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("rise:Q", title="rise of the log loss"),
            y=alt.Y("input:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            tooltip=["input:N", alt.Tooltip("rise:Q", format=".3~g")],
        )
    )
    return chart


def over_versions(found: Sequence[Compared]) -> alt.LayerChart | alt.FacetChart:
    """Return the improvement of each version over control, against 0 and 20 %."""
    frame = pd.DataFrame(
        {
            "version": [f"{each.model} {each.version}" for each in found],
            "improvement": [each.improvement for each in found],
            "tasks": [each.n_paired for each in found],
        }
    )
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("version:N", sort=None, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("improvement:Q", axis=alt.Axis(format="%", title="better than control")),
            tooltip=["version:N", alt.Tooltip("improvement:Q", format=".1%"), "tasks:Q"],
        )
    )
    limits = pd.DataFrame({"y": [0.0, NEEDED]})
    rules = alt.Chart(limits).mark_rule(strokeDash=[4, 4], color="gray").encode(y="y:Q")
    return alt.layer(bars, rules).properties(height=HEIGHT)


def losses(found: Sequence[LossAt]) -> alt.LayerChart | alt.FacetChart:
    """Return the mean log loss of each version, and of control dashed, over time."""
    frame = pd.DataFrame(
        {
            "at": [iso(each.at_ms) for each in found],
            "version": [each.version for each in found],
            "loss": [each.loss for each in found],
            "control": [each.control_loss for each in found],
            "tasks": [each.n for each in found],
        }
    )
    base = alt.Chart(frame).encode(x=TIME, color=alt.Color("version:N", title=None, legend=LEGEND))
    line = base.mark_line().encode(
        y=alt.Y("loss:Q", title="mean log loss"),
        tooltip=[AT, "version:N", alt.Tooltip("loss:Q", format=".3f"), "control:Q", "tasks:Q"],
    )
    control = base.mark_line(strokeDash=[4, 4], opacity=0.5).encode(y="control:Q")
    return alt.layer(line, control).properties(height=HEIGHT)

"""Charts of figures over time."""

from collections.abc import Sequence
from typing import Final

import altair as alt
import pandas as pd

from gnomon.dashboard.charts.axes import AT, DASHES, DOTS, HEIGHT, LIMITS, LINES, TIME, iso
from gnomon.dashboard.views.drift import LossAt
from gnomon.dashboard.views.live import Rate
from gnomon.dashboard.views.verdict import Point
from gnomon.store.queries import SeenAt

ENDS: Final = ["matched", "expired", "cancelled"]


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
        color=alt.Color("baseline:N", title="better than", legend=LINES),
    )
    axis = alt.Axis(format="%", title="improvement", tickCount=6)
    band = base.mark_area(opacity=0.14).encode(y=alt.Y("low:Q", axis=axis), y2="high:Q")
    line = base.mark_line(strokeWidth=2.5).encode(
        y="improvement:Q",
        tooltip=[
            AT,
            alt.Tooltip("baseline:N", title="over"),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("improvement", "low", "high")),
        ],
    )
    rules = alt.Chart(LIMITS).mark_rule(strokeDash=DASHES, color="gray").encode(y="at:Q")
    words = (
        alt.Chart(LIMITS)
        .mark_text(align="left", dx=4, dy=-7, color="gray")
        .encode(y="at:Q", x=alt.value(0), text="what:N")
    )
    return alt.layer(band, line, rules, words).properties(height=HEIGHT)


def rates(found: Sequence[Rate]) -> alt.Chart:
    """Return tasks per second over time, by how they ended."""
    frame = pd.DataFrame(
        {
            "at": [iso(each.at_ms) for each in found],
            "status": [each.status for each in found],
            "rank": [ENDS.index(each.status) for each in found],
            "per_s": [each.per_s for each in found],
        }
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_area(opacity=0.9)
        .encode(
            x=TIME,
            y=alt.Y("per_s:Q", title="tasks per second"),
            color=alt.Color("status:N", title=None, legend=DOTS, sort=ENDS),
            order=alt.Order("rank:Q"),
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
    base = alt.Chart(frame).encode(x=TIME, color=alt.Color("version:N", title=None, legend=LINES))
    line = base.mark_line(strokeWidth=2.5).encode(
        y=alt.Y("loss:Q", title="mean log loss", scale=alt.Scale(zero=False)),
        tooltip=[AT, "version:N", alt.Tooltip("loss:Q", format=".3f"), "control:Q", "tasks:Q"],
    )
    control = base.mark_line(strokeDash=DASHES, opacity=0.6).encode(y="control:Q")
    return alt.layer(line, control).properties(height=HEIGHT)

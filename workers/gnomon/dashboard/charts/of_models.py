"""Charts of models: predicted beside actual, calibration, residuals, importance, versions."""

import math
from collections.abc import Sequence
from typing import Final

import altair as alt
import pandas as pd

from gnomon.dashboard.charts.axes import DASHES, DOTS, HEIGHT, LIMITS, equality, powers
from gnomon.dashboard.views.models import Compared
from gnomon.store.queries import Calibration, Predicted, Residuals

LEAST_S: Final = 0.01
"""On an axis of powers, shorter durations stand here."""
BAR_PX: Final = 32


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
    shown = frame.assign(**frame[["actual", "predicted", "low", "high"]].clip(lower=LEAST_S))
    longest_s = max(1.0, shown[["actual", "predicted", "high"]].max(axis=None))
    least_s = min(1.0, shown[["actual", "predicted", "low"]].min(axis=None))
    scale = alt.Scale(type="log", domain=[least_s, longest_s], nice=False)
    axis = alt.Axis(values=powers(least_s, longest_s), format="~r", grid=True)
    base = alt.Chart(shown).encode(
        x=alt.X("actual:Q", title="actual, seconds", scale=scale, axis=axis),
        color=alt.Color("version:N", title=None, legend=DOTS),
    )
    bars = base.mark_rule(opacity=0.2).encode(
        y=alt.Y("low:Q", title="predicted, seconds", scale=scale, axis=axis), y2="high:Q"
    )
    dots = base.mark_circle(size=40, opacity=0.8).encode(
        y=alt.Y("predicted:Q", scale=scale),
        tooltip=[
            "version:N",
            *(alt.Tooltip(f"{n}:Q", format=".3~g") for n in ("actual", "predicted", "low", "high")),
        ],
    )
    return alt.layer(bars, equality(least_s, longest_s), dots).properties(height=HEIGHT + 60)


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
    return alt.layer(equality(0.0, 1.0), dots).properties(height=HEIGHT)


def residuals(found: Sequence[Residuals]) -> alt.Chart:
    """Return by what factor durations were over- or underestimated."""
    frame = pd.DataFrame(
        {
            "low": [each.low for each in found],
            "high": [each.low + 0.5 for each in found],
            "from": [f"{2**each.low:.2g} x" for each in found],
            "to": [f"{2 ** (each.low + 0.5):.2g} x" for each in found],
            "tasks": [each.n for each in found],
        }
    )
    low = min((each.low for each in found), default=0.0)
    high = max((each.low + 0.5 for each in found), default=0.0)
    axis = alt.Axis(
        values=list(range(math.floor(low), math.ceil(high) + 1)),
        labelExpr="format(pow(2, datum.value), '.2~r') + ' x'",
        labelOverlap=True,
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("low:Q", title="predicted / actual: 1 x is right", bin="binned", axis=axis),
            x2="high:Q",
            y=alt.Y("tasks:Q", title="tasks"),
            tooltip=["from:N", "to:N", "tasks:Q"],
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
            x=alt.X("rise:Q", title="rise of the log loss", axis=alt.Axis(tickCount=5)),
            y=alt.Y("input:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
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
        .mark_bar(height=BAR_PX * 0.6, opacity=0.7)
        .encode(
            y=alt.Y("version:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X("improvement:Q", axis=alt.Axis(format="%", title="better than control")),
            tooltip=["version:N", alt.Tooltip("improvement:Q", format=".1%"), "tasks:Q"],
        )
    )
    rules = (
        alt.Chart(LIMITS)
        .mark_rule(strokeDash=DASHES, color="gray")
        .encode(x="at:Q", strokeWidth=alt.value(2), tooltip="what:N")
    )
    return alt.layer(bars, rules).properties(height=BAR_PX * len(found) + 60)

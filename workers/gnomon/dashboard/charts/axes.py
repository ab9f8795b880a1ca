"""Axes, legends and lines that charts share."""

import math
from datetime import UTC, datetime
from typing import Final

import altair as alt
import pandas as pd

from gnomon.dashboard.views.verdict import NEEDED

HEIGHT: Final = 240
TIME: Final = alt.X(
    "at:T",
    title=None,
    axis=alt.Axis(format="%d %b %H:%M", tickCount=5, labelOverlap=True, labelAngle=0),
)
LINES: Final = alt.Legend(
    orient="top", symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3, symbolSize=200
)
DOTS: Final = alt.Legend(orient="top", symbolOpacity=1)
AT: Final = alt.Tooltip("at:T", title="at", format="%Y-%m-%d %H:%M")
LIMITS: Final = pd.DataFrame({"at": [0.0, NEEDED], "what": ["no better", "20 % needed"]})
DASHES: Final = [4, 4]


def iso(at_ms: int) -> str:
    """Return a time as browsers read it; they show it in the reader's zone."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat().replace("+00:00", "Z")


def powers(low: float, high: float) -> list[float]:
    """Return 1, 3, 10, 30… from ``low`` to ``high``."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [x for e in exponents for x in (10.0**e, 3 * 10.0**e) if low <= x <= high]


def equality(low: float, high: float) -> alt.Chart:
    """Return the line on which both axes have the same value."""
    frame = pd.DataFrame({"x": [low, high], "y": [low, high]})
    line = alt.Chart(frame).mark_line(strokeDash=DASHES, color="gray")
    chart: alt.Chart = line.encode(x="x:Q", y="y:Q")
    return chart

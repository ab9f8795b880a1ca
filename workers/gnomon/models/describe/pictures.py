"""Draws a model's evaluation as PNG pictures. Matplotlib is imported only when a picture is drawn."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.evaluation import HeldOut
from gnomon.models.protocols import DURATION, SUCCESS
from gnomon.models.runs import outcomes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BINS: Final = 10
_MOST_INPUTS: Final = 20
_DOTS_PER_INCH: Final = 110


class Reliability(NamedTuple):
    """Predicted and observed success of the runs in each tenth of the predicted probability.

    All arrays have one value for each tenth that contains runs.
    """

    predicted: Floats
    observed: Floats
    runs: NDArray[np.int64]


def reliability(probability: Floats, succeeded: NDArray[np.bool_]) -> Reliability:
    """Return the mean prediction, the share of successes and the number of runs of each tenth."""
    tenth = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    runs = np.bincount(tenth, minlength=BINS)
    filled = runs > 0
    predicted = np.bincount(tenth, probability, BINS)[filled] / runs[filled]
    observed = np.bincount(tenth, succeeded, BINS)[filled] / runs[filled]
    return Reliability(predicted, observed, runs[filled])


def reliability_picture(held_out: Sequence[HeldOut]) -> bytes | None:
    """Draw how often runs succeeded beside the predicted probability; ``None`` without probabilities."""
    judged = [each for each in held_out if SUCCESS in each.predicted]
    if not judged:
        return None
    probability = np.concatenate([each.predicted[SUCCESS].to_numpy(np.float64) for each in judged])
    succeeded = np.concatenate([outcomes_of(each.runs)[1] for each in judged])
    found = reliability(probability, succeeded)
    figure = _figure(5.0, 5.0)
    axes = figure.add_subplot()
    axes.plot([0.0, 1.0], [0.0, 1.0], color="0.6", linestyle=":", label="perfectly calibrated")
    axes.plot(found.predicted, found.observed, marker="o", label="this learner")
    for x, y, runs in zip(*found, strict=True):
        axes.annotate(f"{runs}", (x, y), textcoords="offset points", xytext=(6, -10), fontsize=8)
    axes.set(
        xlabel="predicted probability of success",
        ylabel="share of runs that succeeded",
        title=f"Reliability on {len(succeeded):,} later runs (numbers: runs)",
    )
    axes.legend()
    return _png(figure)


def residuals_picture(held_out: Sequence[HeldOut]) -> bytes:
    """Draw the predicted beside the actual durations, and how the ratios of the two are distributed."""
    predicted = np.concatenate([each.predicted[DURATION].to_numpy(np.float64) for each in held_out])
    actual = np.concatenate([outcomes_of(each.runs)[0] for each in held_out])
    figure = _figure(10.0, 4.5)
    left, right = figure.subplots(1, 2)
    top = max(float(np.nanmax(predicted, initial=1.0)), float(actual.max())) + 1.0
    left.scatter(predicted + 1.0, actual + 1.0, s=8, alpha=0.4)
    left.plot([1.0, top], [1.0, top], color="0.6", linestyle=":")
    left.set(
        xscale="log",
        yscale="log",
        xlabel="predicted duration + 1 s",
        ylabel="actual duration + 1 s",
        title=f"{len(actual):,} later runs",
    )
    log_ratio = np.log10((predicted + 1.0) / (actual + 1.0))
    right.hist(log_ratio[np.isfinite(log_ratio)], bins=40)
    right.axvline(0.0, color="0.6", linestyle=":")
    right.set(
        xlabel="log10 of predicted / actual (+ 1 s each)",
        ylabel="runs",
        title="Residuals",
    )
    return _png(figure)


def importance_picture(table: pd.DataFrame) -> bytes:
    """Draw the table that ``importance`` returned."""
    first = table.head(_MOST_INPUTS)[::-1]
    losses = [name for name in ("log_error", "brier") if name in first]
    figure = _figure(5.0 * len(losses), 0.28 * len(first) + 1.2)
    for axes, loss in zip(
        np.ravel(figure.subplots(1, len(losses), sharey=True)), losses, strict=True
    ):
        axes.barh(first.index, first[loss], xerr=first[f"{loss}_sd"])
        axes.set(xlabel=f"increase of {loss.replace('_', ' ')} when the input is shuffled")
    return _png(figure)


def _figure(width: float, height: float) -> "Figure":
    """Return a figure of a size in inches. It belongs to no global state, so threads may draw at once."""
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import

    return Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  as above

    written = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(written, format="png")
    return written.getvalue()

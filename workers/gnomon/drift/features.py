"""Measures how far features have moved from the rows that a model was trained on."""

from collections.abc import Mapping
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BINS: Final = 10
MOST_POINTS: Final = 500
"""Most points of a feature's distribution that a reference keeps."""
LEAST_ROWS: Final = 200
"""Least number of later rows to compare: the PSI of equal distributions is about 9 / rows."""
_LEAST_SHARE: Final = 1e-4
"""Share that replaces 0 for an empty bin, because the logarithm of 0 is infinite."""


class FeatureReference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The distribution of one feature in the training rows. Stored as JSON.

    Attributes:
        rows: Training rows, missing values included.
        missing: Share of the rows without a finite value.
        edges: Inner edges of the bins: deciles of the training values, ascending, without repeats.
        shares: Share of all rows in each bin, ``len(edges) + 1`` of them.
        points: At most ``MOST_POINTS`` values that stand for the distribution, ascending.
        weights: Share of the finite values at each point.
        scale: Standard deviation of the finite values; 0 if they are all equal.
    """

    rows: int
    missing: float
    edges: list[float]
    shares: list[float]
    points: list[float]
    weights: list[float]
    scale: float

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Compute the reference of a feature's training values, shape ``(rows,)``.

        A value that is not finite counts as missing.

        Raises:
            ValueError: There are no rows.
        """
        given = np.asarray(values, dtype=np.float64)
        if given.ndim != 1 or not given.size:
            raise ValueError(f"training values must have shape (rows,), got {given.shape}")
        finite = given[np.isfinite(given)]
        edges = _deciles(finite)
        points, weights = _points(finite)
        return cls(
            rows=given.size,
            missing=1.0 - finite.size / given.size,
            edges=edges.tolist(),
            shares=(_counts(finite, edges) / given.size).tolist(),
            points=points.tolist(),
            weights=weights.tolist(),
            scale=_spread(finite),
        )


class FeatureShift(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The distance that one feature has moved.

    Attributes:
        rows: Number of later rows that were compared.
        psi: Population stability index over the bins and the share of missing values.
        distance: Wasserstein distance in standard deviations of the training values; ``None`` if
            one side has no finite values.
    """

    rows: int
    psi: float
    distance: float | None


def _spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation, also of numbers whose squares are too large for a float."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    return largest * float((values / largest).std()) if largest else 0.0


def references(columns: Mapping[str, ArrayLike]) -> dict[str, FeatureReference]:
    """Compute the reference of each feature from its training values of shape ``(rows,)``."""
    return {name: FeatureReference.of(values) for name, values in columns.items()}


def shift(reference: FeatureReference, values: ArrayLike) -> FeatureShift | None:
    """Measure how far later ``values``, shape ``(rows,)``, have moved from ``reference``.

    ``None`` if there are fewer than ``LEAST_ROWS``.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.size < LEAST_ROWS:
        return None
    finite = given[np.isfinite(given)]
    shares = _counts(finite, np.array(reference.edges)) / given.size
    then = np.array([*reference.shares, reference.missing])
    now = np.append(shares, 1.0 - finite.size / given.size)
    distance = None
    if finite.size and reference.points:
        points, weights = np.array(reference.points), np.array(reference.weights)
        distance = wasserstein(points, weights, finite) / (reference.scale or 1.0)
    return FeatureShift(rows=given.size, psi=psi(then, now), distance=distance)


def psi(then: Floats, now: Floats) -> float:
    """Return ``Σ (now - then) · ln(now / then)`` over the shares of bins, shape ``(bins,)`` each.

    The symmetric Kullback-Leibler divergence (H. Jeffreys, 1946), in credit scoring known as the
    population stability index. A share of 0 counts as ``1e-4``.
    """
    then, now = np.maximum(then, _LEAST_SHARE), np.maximum(now, _LEAST_SHARE)
    return float(np.sum((now - then) * np.log(now / then)))


def wasserstein(points: Floats, weights: Floats, values: Floats) -> float:
    """Return ``∫ |F - G|``: F has ``weights`` (summing to 1) at ``points``; G belongs to ``values``.

    Args:
        points: Ascending, shape ``(points,)``.
        weights: Weight of each point, in the same shape.
        values: Shape ``(rows,)``, finite, at least one.
    """
    ordered = np.sort(values)
    steps = np.sort(np.concatenate([points, ordered]))
    below = np.concatenate([[0.0], np.cumsum(weights)])
    share_then = below[np.searchsorted(points, steps[:-1], side="right")]
    share_now = np.searchsorted(ordered, steps[:-1], side="right") / ordered.size
    return float(np.sum(np.abs(share_then - share_now) * np.diff(steps)))


def _deciles(finite: Floats) -> Floats:
    """Return the inner edges of ``BINS`` bins with equal shares; fewer if values repeat."""
    if not finite.size:
        return np.empty(0)
    return np.unique(np.quantile(finite, np.arange(1, BINS) / BINS))


def _counts(finite: Floats, edges: Floats) -> NDArray[np.int64]:
    """Count the values in each bin; a value equal to an edge belongs to the bin below it."""
    return np.bincount(np.searchsorted(edges, finite, side="left"), minlength=edges.size + 1)


def _points(finite: Floats) -> tuple[Floats, Floats]:
    """Return points and weights: each distinct value, or quantiles if there are too many."""
    points, counts = np.unique(finite, return_counts=True)
    if points.size <= MOST_POINTS:
        return points, counts / max(finite.size, 1)
    middles = (np.arange(MOST_POINTS) + 0.5) / MOST_POINTS
    return np.quantile(finite, middles), np.full(MOST_POINTS, 1.0 / MOST_POINTS)

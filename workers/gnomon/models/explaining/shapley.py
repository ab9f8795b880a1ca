"""Computes Shapley values of tree models: how much each input adds to a prediction.

The values are those of TreeSHAP (S. M. Lundberg et al., "From local explanations to global
understanding with explainable AI for trees", Nature Machine Intelligence 2, 2020) with the tree's own
training rows as the background, as the package ``shap`` and XGBoost's ``pred_contribs`` compute them.
gnomon does not depend on that package: with numba it takes 172 MB, and 11 s to import.

For a leaf with value v and m inputs on its path, let o_k be 1 if the row passes the leaf's conditions on
input k, else 0, and z_k the share of training rows that pass them. The weight of a coalition of s
inputs is the integral of t^s (1 - t)^(m - 1 - s) over [0, 1], so the value of input j is::

    v (o_j - z_j) ∫ Π_{k≠j} (z_k (1 - t) + o_k t) dt

The integrand is a polynomial of degree m - 1, so Gauss-Legendre quadrature is exact.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.models.explaining.trees import LEAF, Tree

Floats = NDArray[np.float64]

_MOST_CELLS: Final = 4_000_000
"""Most numbers of one intermediate array: 32 MB."""


class _Condition(NamedTuple):
    """The rows that pass all comparisons of one input on the way to a node: ``low < x <= high``."""

    low: float = -np.inf
    high: float = np.inf
    is_missing_allowed: bool = True
    share: float = 1.0

    def narrowed(self, tree: Tree, node: int, *, to_left: bool) -> Self:
        """Return the condition after the comparison of ``node``."""
        threshold = float(tree.threshold[node])
        child = tree.left[node] if to_left else tree.right[node]
        return self._replace(
            low=self.low if to_left else max(self.low, threshold),
            high=min(self.high, threshold) if to_left else self.high,
            is_missing_allowed=self.is_missing_allowed and bool(tree.missing_left[node]) is to_left,
            share=self.share * float(tree.cover[child] / tree.cover[node]),
        )


class _Leaves(NamedTuple):
    """The leaves of a tree, each with conditions on at most ``m`` inputs; unused places are always passed.

    Attributes:
        value: Shape ``(leaves,)``.
        feature: Shape ``(leaves, m)``; the others have the same shape.
    """

    value: Floats
    feature: NDArray[np.int64]
    low: Floats
    high: Floats
    missing: NDArray[np.bool_]
    share: Floats


def shapley_values(trees: Iterable[Tree], rows: Floats) -> tuple[Floats, float]:
    """Return the values of each input for each row, and the mean prediction of the training rows.

    A row's values and that mean add up to the sum of the trees' predictions.

    Args:
        trees: The trees, whose predictions are added.
        rows: Inputs, shape ``(n, inputs)``, ``nan`` where a value is missing.

    Returns:
        Values of shape ``(n, inputs)``, in the unit of the trees' leaves; and the mean.
    """
    values, mean = np.zeros(rows.shape), 0.0
    for tree in trees:
        leaves = _leaves(tree)
        mean += float(np.sum(leaves.value * leaves.share.prod(axis=1)))
        step = max(1, _MOST_CELLS // leaves.feature.size)
        for begin in range(0, len(rows), step):
            values[begin : begin + step] += _values_of(leaves, rows[begin : begin + step])
    return values, mean


def _values_of(leaves: _Leaves, rows: Floats) -> Floats:
    """Return the values for one tree, shape ``(n, inputs)``."""
    given = rows[:, leaves.feature]  # (n, leaves, m)
    passes = (given > leaves.low) & (given <= leaves.high) | np.isnan(given) & leaves.missing
    points, weights = np.polynomial.legendre.leggauss((leaves.feature.shape[1] + 1) // 2)
    integral = np.zeros(given.shape)
    for at, weight in zip((points + 1.0) / 2.0, weights / 2.0, strict=True):
        factors = leaves.share * (1.0 - at) + passes * at  # above 0, because every share is
        integral += weight * factors.prod(axis=2, keepdims=True) / factors
    found = leaves.value[:, None] * (passes - leaves.share) * integral
    belongs = np.equal.outer(leaves.feature.ravel(), np.arange(rows.shape[1])).astype(np.float64)
    result: Floats = found.reshape(len(rows), -1) @ belongs
    return result


def _leaves(tree: Tree) -> _Leaves:
    ends: list[tuple[float, dict[int, _Condition]]] = []
    waiting: list[tuple[int, dict[int, _Condition]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if tree.feature[node] == LEAF:
            ends.append((float(tree.value[node]), path))
            continue
        feature = int(tree.feature[node])
        before = path.get(feature, _Condition())
        for child, to_left in ((tree.left[node], True), (tree.right[node], False)):
            after = before.narrowed(tree, node, to_left=to_left)
            if after.share > 0.0:  # no training row is in an empty child
                waiting.append((int(child), {**path, feature: after}))
    width = max(1, *(len(path) for _, path in ends))
    free = (0, _Condition())
    table = [
        [*path.items(), *[free] * (width - len(path))]
        for _, path in ends
    ]  # fmt: skip
    return _Leaves(
        value=np.array([value for value, _ in ends]),
        feature=np.array([[feature for feature, _ in row] for row in table]),
        low=np.array([[condition.low for _, condition in row] for row in table]),
        high=np.array([[condition.high for _, condition in row] for row in table]),
        missing=np.array([[c.is_missing_allowed for _, c in row] for row in table]),
        share=np.array([[condition.share for _, condition in row] for row in table]),
    )

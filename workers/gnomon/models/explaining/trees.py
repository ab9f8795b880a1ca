"""Explains predictions of trees by their decision paths.

At each split of the path from the root to the leaf, the mean of the training runs below changes. The
change is the contribution of the input that was compared there. The method is that of A. Saabas,
"Interpreting random forests" (2014); XGBoost computes the same with ``approx_contribs``.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAF: Final = -1


class Tree(NamedTuple):
    """One tree; each array has one element for each node, and node 0 is the root.

    Attributes:
        feature: Number of the input that is compared; ``LEAF`` of a leaf.
        threshold: A value at most this great goes to the left.
        left: Number of the left node.
        right: Number of the right node.
        missing_left: Whether a missing value goes to the left.
        value: Mean prediction of the training runs that reach the node.
        cover: Number of these runs, or their weight.
    """

    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]


def path_contributions(tree: Tree, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the value of the root, and how much each input changes it on the path of ``row``.

    Args:
        tree: The tree.
        row: The inputs, shape ``(n,)``, with ``nan`` for missing values.

    Returns:
        The root's value, and contributions of shape ``(n,)``; their sum is the value of the leaf.
    """
    contributions = np.zeros(len(row))
    node = 0
    while (feature := int(tree.feature[node])) != LEAF:
        value = row[feature]
        to_left = tree.missing_left[node] if np.isnan(value) else value <= tree.threshold[node]
        child = int((tree.left if to_left else tree.right)[node])
        contributions[feature] += tree.value[child] - tree.value[node]
        node = child
    return float(tree.value[0]), contributions


def of_forest(forest: Any, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Explain a random forest of scikit-learn: the mean duration, or the probability of the last class."""
    # A forest compares 32-bit floats.
    found = _summed(forest_trees(forest), row.astype(np.float32).astype(np.float64))
    return found[0] / len(forest.estimators_), found[1] / len(forest.estimators_)


def of_boosting(model: Any, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Explain scikit-learn's histogram gradient boosting, on the scale on which its trees add up."""
    trees, baseline = boosted_trees(model)
    base, contributions = _summed(trees, row)
    return baseline + base, contributions


def forest_trees(forest: Any) -> Iterator[Tree]:
    """Yield the trees of a random forest; its prediction is their mean."""
    return map(_forest_tree, forest.estimators_)


def boosted_trees(model: Any) -> tuple[Iterator[Tree], float]:
    """Return the trees of a histogram gradient boosting, and the number to which they are added."""
    # The library gives no other access to the trees of a fitted model.
    predictors, baseline = model._predictors, model._baseline_prediction  # noqa: SLF001
    return (_boosted_tree(trees[0].nodes) for trees in predictors), float(np.ravel(baseline)[0])


def _summed(trees: Iterable[Tree], row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    base, contributions = 0.0, np.zeros(len(row))
    for tree in trees:
        of_root, of_path = path_contributions(tree, row)
        base += of_root
        contributions += of_path
    return base, contributions


def _forest_tree(estimator: Any) -> Tree:
    tree = estimator.tree_
    return Tree(
        feature=np.where(tree.children_left == LEAF, LEAF, tree.feature),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=tree.missing_go_to_left.astype(np.bool_),
        value=tree.value[:, 0, -1],
        cover=tree.weighted_n_node_samples,
    )


def _boosted_tree(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(np.bool_)
    left, right = nodes["left"].astype(np.intp), nodes["right"].astype(np.intp)
    value, count = nodes["value"].astype(np.float64), nodes["count"].astype(np.float64)
    # Leaves are adjusted after the tree was grown, so the means above them are computed from them.
    # Children have greater numbers than their parents.
    for node in np.flatnonzero(~is_leaf)[::-1]:
        one, other = left[node], right[node]
        value[node] = (count[one] * value[one] + count[other] * value[other]) / (
            count[one] + count[other]
        )
    return Tree(
        feature=np.where(is_leaf, LEAF, nodes["feature_idx"]),
        threshold=nodes["num_threshold"],
        left=left,
        right=right,
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        value=value,
        cover=count,
    )

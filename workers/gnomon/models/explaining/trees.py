"""Reads the trees of scikit-learn's models as arrays."""

from collections.abc import Iterator
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


def forest_trees(forest: Any) -> Iterator[Tree]:
    """Yield the trees of a random forest; its prediction is their mean."""
    return map(_forest_tree, forest.estimators_)


def boosted_trees(model: Any) -> tuple[Iterator[Tree], float]:
    """Return the trees of a histogram gradient boosting, and the number to which they are added."""
    # The library gives no other access to the trees of a fitted model.
    predictors, baseline = model._predictors, model._baseline_prediction  # noqa: SLF001
    return (_boosted_tree(trees[0].nodes) for trees in predictors), float(np.ravel(baseline)[0])


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

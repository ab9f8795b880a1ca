"""Reads the trees of an XGBoost model, to compare what XGBoost says about them."""

import numpy as np
import pandas as pd

from gnomon.models.explaining.trees import LEAF, Tree


def of_xgboost(table: pd.DataFrame) -> Tree:
    """XGBoost's own table of a tree; its values less than the threshold go to the left."""
    table = table.set_index("ID")
    number = {name: at for at, name in enumerate(table.index)}

    def value(name: str) -> float:
        node = table.loc[name]
        if node["Feature"] == "Leaf":
            return float(node["Gain"])
        parts = [(table.loc[node[side], "Cover"], value(node[side])) for side in ("Yes", "No")]
        return float(sum(w * v for w, v in parts) / sum(w for w, _ in parts))

    is_leaf = (table["Feature"] == "Leaf").to_numpy()
    splits = table["Split"].to_numpy(np.float32)
    return Tree(
        feature=np.array(
            [
                LEAF if leaf else int(name[1:])
                for name, leaf in zip(table["Feature"], is_leaf, strict=True)
            ]
        ),
        threshold=np.nextafter(splits, np.float32(-np.inf)).astype(np.float64),
        left=np.array([number.get(name, LEAF) for name in table["Yes"]]),
        right=np.array([number.get(name, LEAF) for name in table["No"]]),
        missing_left=(table["Missing"] == table["Yes"]).to_numpy(),
        value=np.array([value(name) for name in table.index]),
        cover=table["Cover"].to_numpy(np.float64),
    )

"""Makes the files that are stored beside a version in the registry."""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import pandas as pd

from gnomon.drift import FEATURES, feature_row, references
from gnomon.models.describe.card import Circumstances, model_card
from gnomon.models.registry.versions import FEATURES_FILE
from gnomon.models.threads import one_thread
from gnomon.models.train import Trained

CARD: Final = "model_card.md"
CONTRIBUTION_RUNS: Final = 100
"""Number of last runs for which the contributions of the inputs are computed."""

Files = Mapping[str, bytes]
"""Contents of files by their name."""


def card_file(trained: Trained, circumstances: Circumstances) -> Files:
    """Return the model card, the metrics of each origin, and the distributions of features.

    This takes milliseconds, and 0.4 s for 50,000 runs.
    """
    origins = () if trained.evaluation is None else trained.evaluation.origins
    metrics = msgspec.json.format(msgspec.json.encode(origins), indent=2)
    return {
        CARD: model_card(trained, circumstances).encode(),
        "evaluation.json": metrics + b"\n",
        FEATURES_FILE: _distributions(trained),
    }


def _distributions(trained: Trained) -> bytes:
    columns = np.array([feature_row(run) for run in trained.runs], np.float64).T
    return msgspec.json.encode(references(dict(zip(FEATURES, columns, strict=True))))


def described(trained: Trained, *, seed: int = 0) -> Files:
    """Return the importance of inputs, their contributions, and pictures. This takes seconds.

    Args:
        trained: The model. If it was not evaluated, only the contributions are known.
        seed: Seed of the shuffles for the importance.
    """
    with one_thread():
        return {**_evaluation(trained, seed), **_inner(trained)}


def _evaluation(trained: Trained, seed: int) -> dict[str, bytes]:
    """Return the files that need later runs."""
    if not trained.held_out:
        return {}
    # Matplotlib and parts of scikit-learn that no other command needs are imported here.
    from gnomon.models.describe import pictures  # noqa: PLC0415
    from gnomon.models.describe.importance import importance  # noqa: PLC0415

    table = importance(trained.held_out[-1], seed=seed)
    found = {
        "importance.csv": _csv(table),
        "importance.png": pictures.importance_picture(table),
        "residuals.png": pictures.residuals_picture(trained.held_out),
    }
    if (drawn := pictures.reliability_picture(trained.held_out)) is not None:
        found["reliability.png"] = drawn
    return found


def _inner(trained: Trained) -> dict[str, bytes]:
    """Return the mean absolute Shapley values of trees, or the coefficients of a linear model."""
    from gnomon.models.describe.contributions import contributions, trees_of  # noqa: PLC0415
    from gnomon.models.estimator import TaskModel  # noqa: PLC0415
    from gnomon.models.learners.linear import Linear, coefficients  # noqa: PLC0415
    from gnomon.models.table import columns_of  # noqa: PLC0415

    trees = trees_of(trained.estimator)
    if trees is not None:
        runs = trained.runs[-CONTRIBUTION_RUNS:]
        found = contributions(trees, columns_of(runs, trained.columns), len(runs))
        return {"shap_mean_absolute.csv": _csv(found.mean_absolute())}
    if trained.learner == Linear.name and isinstance(trained.estimator, TaskModel):
        return {"coefficients.csv": _csv(coefficients(trained.estimator).rename_axis("input"))}
    return {}


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(lineterminator="\n", float_format="%.6g")
    return text.encode()

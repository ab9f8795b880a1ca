"""What is stored beside a version: card, importances, pictures."""

import io
import json
import math
from collections.abc import Callable
from typing import cast

import matplotlib.image
import msgspec
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from tests.unit.models.runs import BAD, Noting, runs, with_outcome

from gnomon.events import Comparison
from gnomon.models.describe import Circumstances, card_file, described, model_card
from gnomon.models.describe.importance import importance
from gnomon.models.describe.pictures import reliability, residuals_picture
from gnomon.models.evaluation import Evaluation, Plan
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.train import Trained, train


class FromChars:
    """A learner whose model predicts as many seconds as ``context_chars`` says, and nothing else."""

    name = "chars"

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> "FromChars":
        return self

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"duration_s": frame["context_chars"]})


@pytest.fixture(scope="module")
def pooled() -> Trained:
    return train(runs(100), learner=LEARNERS["pool"](), plan=Plan(origins=3, share=0.2))


def test_the_importance_is_the_increase_of_the_error_when_a_column_is_shuffled() -> None:
    decisions = [
        msgspec.structs.replace(
            with_outcome(run, duration_s=float(chars)), context={"chars": chars}
        )
        for chars, run in enumerate(runs(200), start=50)
    ]
    held_out = train(decisions, learner=FromChars(), plan=Plan(share=0.5)).held_out[0]

    found = importance(held_out, seed=1)

    later = np.log1p(np.arange(150.0, 250.0))
    expected = np.abs(later[:, None] - later).mean()  # over all pairs
    assert found.index[0] == "context_chars"
    assert found["log_error"].iloc[0] == pytest.approx(expected, rel=0.1)
    assert found["log_error"].iloc[0] > 0.1
    assert (found["log_error"].iloc[1:] == 0.0).all()
    assert "brier" not in found
    pd.testing.assert_frame_equal(found, importance(held_out, seed=1))
    assert not found.equals(importance(held_out, seed=2))


def test_reliability_is_scikit_learns_calibration_curve() -> None:
    chance = np.random.default_rng(1)
    probability = np.append(chance.random(500) ** 2, [0.0, 1.0])
    succeeded = chance.random(502) < probability

    found = reliability(probability, succeeded)

    observed, predicted = calibration_curve(succeeded, probability, n_bins=10, strategy="uniform")
    assert found.predicted == pytest.approx(predicted)
    assert found.observed == pytest.approx(observed)
    assert found.runs.sum() == 502


def test_the_card_tells_the_data_the_figures_and_the_limits(pooled: Trained) -> None:
    told = model_card(
        pooled,
        Circumstances(
            reason="drift: version 3 got worse", sample="all of them", data_licence="CC-BY-4.0"
        ),
    )

    for fact in (
        "| runs | 100, started 2025-10-09 08:53 UTC to 2025-10-12 19:23 UTC",
        "| task types | 4: ",
        "| reason | drift: version 3 got worse |",
        "| licence of the data | CC-BY-4.0 |",
        f"scikit-learn {sklearn.__version__}",
        "## Intended use",
        "## Limits",
        "`context_chars`",
        "On 60 later runs than those of the training, in 3 time-ordered splits",
    ):
        assert fact in told
    mean = cast("Evaluation", pooled.evaluation).mean()
    spread = cast("Evaluation", pooled.evaluation).spread()
    assert f"| **this version** | 60 | {mean['mae_s']:,.1f} ± {spread['mae_s']:,.1f} |" in told
    assert f"| control | 60 | {mean['control_mae_s']:,.1f} ± " in told


def test_names_cannot_break_the_card() -> None:
    decisions = [msgspec.structs.replace(run, agent_id="a|b\n# <i>") for run in runs(40)]

    told = model_card(train(decisions, learner=Noting()), Circumstances())

    assert "| agents | 1: a\\|b # \\<i\\> (40) |" in told


def test_a_training_without_later_runs_has_a_card_without_figures() -> None:
    trained = train(runs(50, gap_ms=1), learner=Noting())

    assert trained.evaluation is None
    assert "None: too few runs had ended" in model_card(trained, Circumstances())
    assert json.loads(card_file(trained, Circumstances())["evaluation.json"]) == []
    assert described(trained) == {}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_runs_unlike_any_wish_have_finite_figures(
    spoil: Callable[[Comparison], Comparison],
) -> None:
    decisions = [spoil(run) for run in runs(60)]

    trained = train(decisions, learner=LEARNERS["pool"](), plan=Plan(origins=2, share=0.2))

    assert trained.evaluation is not None
    for figures in (trained.evaluation.mean(), trained.evaluation.spread()):
        assert all(math.isfinite(figure) for figure in figures.values())
    files = card_file(trained, Circumstances())
    assert len(json.loads(files["evaluation.json"])) == 2
    assert b"| **this version** | 24 |" in files["model_card.md"]
    assert len(residuals_picture(trained.held_out)) > 1_000


def test_tables_and_pictures() -> None:
    found = described(train(runs(60), learner=LEARNERS["linear"]()))

    pictures = {"importance.png", "residuals.png", "reliability.png"}
    tables = {"importance.csv", "coefficients.csv"}
    assert set(found) == pictures | tables
    for picture in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(found[picture]))
        assert min(pixels.shape[:2]) > 100
        assert pixels.std() > 0.01
    for table in tables:
        assert len(pd.read_csv(io.BytesIO(found[table]), index_col="input")) > 10

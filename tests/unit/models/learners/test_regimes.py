"""The recorded runs, predicted one after the other from what was known: the mix beside its parts.

What its parts predicted is in its record, so one pass over the runs judges all three.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from benchmarks.learning.prequential import Judged, coarsened, figures, prequential

from gnomon.events import Comparison
from gnomon.models.learners.mix import MixLearner
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import COLUMNS, context_columns, to_frame
from gnomon.models.threads import one_thread
from gnomon.replay.source import Columns, Run, read_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS = Path(__file__).parents[4] / "examples" / "agent_runs.csv"
BOTH = ("duration_s", "success_probability")


class Versions:
    """Fits a mix of all finished runs, without the evaluation that training makes first."""

    def __init__(self) -> None:
        self.made = 0

    def fit(self, finished: Sequence[Comparison]) -> LoadedModel:
        self.made += 1
        runs = sorted(finished, key=lambda run: (run.started_at_ms, run.decision_id))
        columns = (*COLUMNS, *context_columns(runs))
        truth = np.array([(r.outcome.duration_s, r.outcome.succeeded) for r in runs], np.float64)
        with one_thread():
            estimator = (
                MixLearner()
                .with_record(runs)
                .fit(to_frame(runs, columns), truth[:, 0], truth[:, 1] > 0)
            )
        return LoadedModel(
            name="mix",
            version=str(self.made),
            sha256="",
            estimator=estimator,
            inputs=columns,
            outputs=BOTH,
        )


def judged(runs: Sequence[Run]) -> list[Judged]:
    """Runs that a version predicted, with its parts beside it."""
    predicted = prequential(runs, {"mix": Versions().fit}, with_intervals=False)
    found = [run for run in predicted if "mix" in run.said]
    assert len(found) > 2_500
    return found


def share_better(found: Sequence[Judged], name: str) -> float:
    return figures(found, name, "control")["better"]


def test_where_work_repeats_the_mix_beats_every_simple_rule() -> None:
    found = judged(read_runs(RUNS, Columns()))

    beside_control = figures(found, "mix", "control")
    beside_same_type = figures(found, "mix", "same-type")

    assert beside_control["better"] > 0.53
    assert beside_control["accuracy"] >= 0.86
    assert beside_same_type["better"] > 0.0
    assert beside_same_type["brier_better"] > 0.10
    assert (
        share_better(found, "mix") > max(share_better(found, p) for p in ("pool", "boosted")) - 0.02
    )


def test_where_types_say_little_the_mix_is_not_far_behind_its_better_part() -> None:
    found = judged(coarsened(read_runs(RUNS, Columns()), 8))

    parts = {part: share_better(found, part) for part in ("pool", "boosted")}

    assert parts["pool"] < parts["boosted"] - 0.1
    assert share_better(found, "mix") > max(parts.values()) - 0.02

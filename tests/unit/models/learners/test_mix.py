"""Weights of a mix: fitted on the record of what its parts predicted, and on nothing else."""

import random
from typing import cast

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from tests.unit.models.runs import a_task, runs

from gnomon.events import Comparison, FeatureVector, ModelPrediction
from gnomon.models.estimator import TaskModel
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.learners.mix import Mix, MixLearner, held_out
from gnomon.models.learners.mix_weights import (
    Recorded,
    bucket_of,
    fitted_weights,
    initial_weights,
    recorded,
)
from gnomon.models.learners.pool import Pool
from gnomon.models.table import COLUMNS, columns_of, to_frame
from gnomon.models.threads import one_thread
from gnomon.models.train import train

PRIOR = (0.7, 0.97, 0.97)
"""For an agent's first run of a type, its second, and later ones, if these are alike."""


def a_record(
    pool: NDArray[np.float64], boosted: NDArray[np.float64], truth: NDArray[np.float64], bucket: int
) -> Recorded:
    return Recorded(pool, boosted, truth, np.full(len(truth), bucket))


def fitted(seen: Recorded) -> NDArray[np.float64]:
    return fitted_weights(seen, np.array(PRIOR))


def drawn(count: int, *, seed: int = 4) -> tuple[NDArray[np.float64], ...]:
    """Predictions of two that are wrong in different ways, and the truth; shape ``(count, 2)``."""
    draw = np.random.default_rng(seed)
    truth = np.column_stack([draw.lognormal(4, 1, count), draw.random(count) < 0.6])
    chance = np.clip(0.2 + 0.6 * truth[:, 1] + draw.normal(0, 0.2, (2, count)), 0, 1)
    seconds = truth[:, 0] * draw.lognormal(0, [[0.4], [0.6]], (2, count))
    one, other = (np.column_stack([s, p]) for s, p in zip(seconds, chance, strict=True))
    return one, other, truth


def test_with_many_runs_the_weights_are_those_of_scipy() -> None:
    one, other, truth = drawn(4_000)

    weights = fitted(a_record(one, other, truth, 1))

    def log_error(w: float) -> float:
        mixed = w * one[:, 0] + (1 - w) * other[:, 0]
        return float(np.abs(np.log1p(mixed) - np.log1p(truth[:, 0])).mean())

    def brier(w: float) -> float:
        return float(((w * one[:, 1] + (1 - w) * other[:, 1] - truth[:, 1]) ** 2).mean())

    expected = [minimize_scalar(f, bounds=(0, 1), method="bounded").x for f in (log_error, brier)]
    assert 0.1 < expected[0] < 0.9
    assert weights[1] == pytest.approx(expected, abs=0.03)


def test_nothing_recorded_leaves_the_prior() -> None:
    assert fitted(recorded(runs(30))).tolist() == [[w, w] for w in PRIOR]


@pytest.mark.parametrize("right", ["pool", "boosted"])
def test_a_few_runs_draw_the_weights_only_part_of_the_way(right: str) -> None:
    one, other, truth = drawn(10)
    one, other = (truth, other) if right == "pool" else (one, truth)
    best = 1.0 if right == "pool" else 0.0

    weights = fitted(a_record(one, other, truth, 2))

    # 10 of 60 of the way, for durations too: each run is better.
    once = best + (50 / 60) * (PRIOR[2] - best)
    assert weights[2] == pytest.approx([once, once], abs=1e-6)
    assert weights[:2].tolist() == [[w, w] for w in PRIOR[:2]]


@pytest.mark.parametrize(("share", "is_sure"), [(0.05, False), (0.5, True)])
def test_weights_of_durations_move_only_if_others_are_surely_better(
    share: float, *, is_sure: bool
) -> None:
    """The trees are right, the pool by a factor wrong in a share of the runs."""
    _, _, truth = drawn(200)
    of_pool = truth.copy()
    wrong = np.random.default_rng(9).random(200) < share
    of_pool[wrong, 0] = truth[wrong, 0] * 1.5
    gains = np.where(wrong, np.log(1.5), 0.0)
    assert (gains.mean() > 3 * gains.std() / np.sqrt(200)) or not is_sure

    found = fitted(a_record(of_pool, truth, truth, 0))

    assert (found[0, 0] < 0.2) == is_sure
    assert (found[0, 0] == PRIOR[0]) != is_sure


@pytest.mark.parametrize(
    ("spread", "weight"), [(0.0, 0.97), (0.4, 0.97), (0.75, 0.5), (1.0, 0.1), (2.0, 0.1)]
)
def test_the_less_repeats_are_alike_the_less_the_pool_weighs_at_first(
    spread: float, weight: float
) -> None:
    """Own means are off by ``spread`` times as much, in logarithms, as what control says."""
    decisions = [
        msgspec.structs.replace(
            run,
            features=msgspec.structs.replace(
                run.features,
                same_type_runs=1,
                same_type_avg_execution_time=off(run, spread * sign),
                avg_execution_time_1h=off(run, sign),
            ),
        )
        for run, sign in zip(runs(40), [1.0, -1.0] * 20, strict=True)
    ]

    assert initial_weights(decisions).tolist() == pytest.approx([0.7, weight, weight])
    assert initial_weights(decisions[:19]).tolist() == list(PRIOR)


def off(run: Comparison, log: float) -> float:
    return float(np.expm1(np.log1p(run.outcome.duration_s or 0.0) + log))


def test_each_bucket_has_weights_of_its_own() -> None:
    one, other, truth = drawn(900)
    bucket = np.arange(900) % 2 * 2
    seen = Recorded(
        np.where(bucket[:, None] == 0, truth, one),
        np.where(bucket[:, None] == 2, truth, other),
        truth,
        bucket,
    )

    weights = fitted(seen)

    assert (weights[0] > 0.85).all()
    assert (weights[2] < 0.15).all()


def test_parts_that_agree_teach_nothing() -> None:
    one, _, truth = drawn(300)

    assert fitted(a_record(one, one, truth, 0)).tolist() == [[w, w] for w in PRIOR]


def test_buckets_are_none_one_and_more() -> None:
    assert bucket_of(np.array([0.0, 1.0, 2.0, 20.0, np.nan])).tolist() == [0, 1, 2, 2, 0]


def with_parts(run: Comparison, *said: tuple[str, dict[str, list[float | None]]]) -> Comparison:
    predictions = [
        ModelPrediction(model="gnomon", version=version, duration_s=1.0, parts=parts)
        for version, parts in said
    ]
    return msgspec.structs.replace(run, predictions=predictions)


def test_the_record_is_the_last_version_with_both_parts_whole() -> None:
    first, second, third, fourth = runs(4)
    seen = recorded(
        [
            with_parts(first, ("1", {"pool": [1.0, 0.1], "boosted": [2.0, 0.2]}), ("2", {})),
            with_parts(
                second,
                ("1", {"pool": [9.0, 0.9], "boosted": [9.0, 0.9]}),
                ("2", {"pool": [3.0, 0.3], "boosted": [4.0, 0.4]}),
            ),
            with_parts(third, ("2", {"pool": [3.0, None], "boosted": [4.0, 0.4]})),
            with_parts(fourth, ("2", {"pool": [3.0, 0.3], "other": [4.0, 0.4]})),
        ]
    )

    assert seen.pool.tolist() == [[1.0, 0.1], [3.0, 0.3]]
    assert seen.boosted.tolist() == [[2.0, 0.2], [4.0, 0.4]]
    assert seen.truth.tolist() == [
        [run.outcome.duration_s, float(run.outcome.succeeded or 0)] for run in (first, second)
    ]


@pytest.mark.parametrize("best", ["pool", "boosted"])
def test_training_weighs_by_the_record(best: str) -> None:
    chance = random.Random(6)  # noqa: S311  no secret

    def said(run: Comparison, part: str) -> list[float | None]:
        right = (run.outcome.duration_s or 0.0, float(run.outcome.succeeded or 0))
        return list(right) if part == best else [right[0] * chance.choice((0.2, 5.0)), 0.5]

    decisions = [
        with_parts(run, ("1", {part: said(run, part) for part in ("pool", "boosted")}))
        for run in runs(120)
    ]

    estimator = train(decisions).estimator

    assert isinstance(estimator, Mix)
    assert (estimator.weights_[0] > 0.85).all() == (best == "pool")
    assert (estimator.weights_[0] < 0.25).all() == (best == "boosted")


def test_without_a_record_it_weighs_by_runs_that_its_parts_have_not_seen() -> None:
    """The second half: its outcomes decide the weights, and no part of it was fitted on."""
    decisions = runs(120)
    before = [
        msgspec.structs.replace(run, outcome=msgspec.structs.replace(run.outcome, at_ms=at_ms))
        for run in decisions[:60]
        for at_ms in (run.outcome.at_ms if int(run.task_id[1:]) % 2 else 2**45,)
    ]

    with one_thread():
        seen = held_out([*before, *decisions[60:]], seed=0)
        learner = MixLearner().with_record(decisions)

    assert seen.truth[:, 0].tolist() == [run.outcome.duration_s for run in decisions[60:]]
    of_pool = Pool().fit(
        to_frame(before[1::2], COLUMNS),
        np.array([run.outcome.duration_s for run in before[1::2]], np.float64),
        np.array([run.outcome.succeeded for run in before[1::2]], np.bool_),
    )
    expected = of_pool.predict_columns(columns_of(decisions[60:], COLUMNS), 60)
    assert seen.pool.tolist() == expected.tolist()
    assert learner._weights[0, 0] != PRIOR[0]
    assert learner._weights[1:].tolist() == [[w, w] for w in PRIOR[1:]]
    assert held_out(decisions[:30], seed=0).bucket.size == 0


def test_it_predicts_between_its_parts_and_says_what_they_were() -> None:
    decisions = runs(120)
    trained = train(decisions, learner=LEARNERS["mix"]())
    estimator, later = trained.estimator, runs(30, seed=5)
    assert isinstance(estimator, Mix)
    columns = columns_of(later, trained.columns)

    mixed, parts = estimator.predict_parts(columns, len(later))

    assert set(parts) == {"pool", "boosted"}
    weights = estimator.weights_[0]  # none of these runs is a repeat
    assert mixed == pytest.approx(weights * parts["pool"] + (1 - weights) * parts["boosted"])
    alone = [
        train(decisions, learner=LEARNERS[name]()).estimator.predict_columns(columns, len(later))  # type: ignore[attr-defined]
        for name in ("pool", "boosted")
    ]
    assert parts["pool"].tolist() == alone[0].tolist()
    assert parts["boosted"][:, 1].tolist() == alone[1][:, 1].tolist()
    of_pool = estimator.pool_.estimate(columns, len(later), (0.1, 0.9)).quantiles
    within = np.clip(alone[1][:, 0], of_pool[:, 0], of_pool[:, 1])
    assert parts["boosted"][:, 0].tolist() == within.tolist()


def test_trees_that_are_far_out_count_only_as_far_as_repeats_differ() -> None:
    """Repeats of 60 s that hardly differ, and trees that know nothing of the agent: they say 1,000 s."""

    class Trees:
        strings_ = ()
        doubles_ = ()

        def predict_columns(self, columns: object, count: int) -> NDArray[np.float64]:
            return np.full((count, 2), (1_000.0, 0.5))

    decisions = runs(120)
    pool = Pool().fit(
        to_frame(decisions, COLUMNS),
        np.array([run.outcome.duration_s for run in decisions], np.float64),
        np.array([run.outcome.succeeded for run in decisions], np.bool_),
    )
    vector = FeatureVector(
        same_type_runs=20, same_type_avg_execution_time=60.0, same_type_success_rate=1.0
    )
    mix = Mix(pool, cast("TaskModel", Trees()), np.full((3, 2), 0.5))

    ((seconds, _),) = mix.predict_columns(columns_of([a_task(features=vector)], COLUMNS), 1)

    assert 60.0 < seconds < 75.0


def test_its_quantiles_are_the_pools_moved_to_its_own_prediction() -> None:
    trained = train(runs(120))
    estimator, later = trained.estimator, runs(30, seed=5)
    assert isinstance(estimator, Mix)
    columns = columns_of(later, trained.columns)
    levels = (0.1, 0.5, 0.9)

    whole = estimator.estimate(columns, len(later), levels)

    mixed, parts = estimator.predict_parts(columns, len(later))
    of_pool = estimator.pool_.estimate(columns, len(later), levels).quantiles
    factor = (1 + mixed[:, :1]) / (1 + parts["pool"][:, :1])
    assert whole.quantiles == pytest.approx(np.maximum((1 + of_pool) * factor - 1, 0.0))
    assert whole.values.tolist() == mixed.tolist()
    assert {name: of.tolist() for name, of in whole.parts.items()} == {
        name: of.tolist() for name, of in parts.items()
    }

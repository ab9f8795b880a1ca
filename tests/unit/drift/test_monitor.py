"""A monitor of one model: its rows against the training rows, and its losses."""

import math

import numpy as np
import pytest
from river import drift as river
from scipy.stats import wasserstein_distance
from tests.support.decisions import a_decision
from tests.unit.drift.oracle import psi_by_pandas

from gnomon.drift import FEATURES, Monitor, feature_row
from gnomon.events import Comparison, Completeness, FeatureVector
from gnomon.models.table import COLUMNS, columns_of

NAMES = ("a", "b")


def rows(rng: np.random.Generator, count: int, *, moved: float = 0.0) -> list[tuple[float, float]]:
    gaps = np.where(rng.random(count) < 0.1, math.nan, rng.normal(moved, 1, count))
    return list(zip(gaps.tolist(), rng.lognormal(1, 1, count).tolist(), strict=True))


def test_the_latest_rows_are_compared_with_the_training_rows() -> None:
    rng = np.random.default_rng(1)
    training, later = rows(rng, 480), rows(rng, 700, moved=1.0)
    monitor = Monitor.trained_on(NAMES, training, latest=500)
    for row in later:
        monitor.add_features(dict(zip(NAMES, row, strict=True)))
    found = monitor.drift()

    assert (found.training_rows, found.rows, found.word) == (480, 500, "reason to retrain")
    assert list(found.features) == ["a", "b"]
    for place, name in enumerate(NAMES):
        then = np.array([row[place] for row in training])
        now = np.array([row[place] for row in later[-500:]])
        psi, distance = found.features[name].psi, found.features[name].distance
        assert psi == pytest.approx(psi_by_pandas(then, now))
        known = [values[~np.isnan(values)] for values in (then, now)]
        expected = wasserstein_distance(*known) / known[0].std()
        assert distance == pytest.approx(expected)
    assert found.features["b"].word == "steady"


def test_a_value_that_is_not_given_is_missing() -> None:
    rng = np.random.default_rng(2)
    monitor = Monitor.trained_on(NAMES, rows(rng, 300))
    for _ in range(200):
        monitor.add_features({"a": 0.0, "other": 1.0})
    assert monitor.drift().features["b"].distance is None


@pytest.mark.parametrize(("training", "later"), [(199, 200), (200, 199), (0, 500)])
def test_with_few_rows_no_feature_is_compared(training: int, later: int) -> None:
    rng = np.random.default_rng(3)
    monitor = Monitor.trained_on(NAMES, rows(rng, training))
    for row in rows(rng, later, moved=9.0):
        monitor.add_features(dict(zip(NAMES, row, strict=True)))
    found = monitor.drift()
    assert found.features == {}
    assert found.word == "steady"


def test_changes_of_the_loss_are_those_of_river() -> None:
    rng = np.random.default_rng(4)
    actual_s = rng.lognormal(4, 1, 1_500)
    predicted_s = actual_s * np.exp(rng.normal(0, np.where(np.arange(1_500) < 1_000, 0.3, 1.5)))
    monitor = Monitor({})
    theirs = river.ADWIN(), river.PageHinkley(30, 0.05, 10.0, 0.9999, "up")
    expected = []
    for number, (said, came) in enumerate(zip(predicted_s, actual_s, strict=True)):
        change = monitor.add_outcome(float(said), float(came), at_ms=number)
        for detector in theirs:
            detector.update(min(abs(math.log((said + 1) / (came + 1))) / math.log(10), 1.0))
        found = any(detector.drift_detected for detector in theirs)
        assert (change is not None) == found
        if found:
            expected.append(number)
    drift = monitor.drift()
    assert expected
    assert expected[0] >= 1_000
    assert [change.at_ms for change in drift.changes] == expected
    assert drift.word == "reason to retrain"
    assert monitor.drift(is_harmful=True).word == "alarm"


def test_memory_is_bounded() -> None:
    monitor = Monitor.trained_on(NAMES, rows(np.random.default_rng(5), 300), latest=200)
    for number in range(1_000):
        monitor.add_features({"a": float(number), "b": 1.0})
        monitor.add_outcome(float(10 ** (number // 32 % 2 * 3)), 1.0, at_ms=number)
    found = monitor.drift()
    assert found.rows == 200
    assert len(found.changes) <= 50


@pytest.mark.parametrize("hour_seen", [0.0, 0.899, 0.9, 1.0])
def test_a_row_has_the_numbers_that_models_get(hour_seen: float) -> None:
    task: Comparison = a_decision()
    given = Comparison(
        **{name: getattr(task, name) for name in task.__struct_fields__}
        | {
            "features": FeatureVector(
                tasks_completed_1h=3, avg_execution_time_1h=1.5, tasks_in_flight=2,
                same_type_runs=4, same_type_avg_execution_time=9.0, agent_success_rate=0.5,
            ),
            "completeness": Completeness(hour_seen=hour_seen),
            "estimate_s": 7.0,
        }
    )  # fmt: skip
    numbers = [column.name for column in COLUMNS if column.kind == "double"]
    expected = columns_of([given])
    assert list(FEATURES) == numbers
    for name, value in zip(FEATURES, feature_row(given), strict=True):
        np.testing.assert_equal(value, expected[name][0])

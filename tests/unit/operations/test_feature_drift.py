"""When moved features are told, and when they are a reason to train again."""

from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.models.runs import runs

from gnomon.drift import FEATURES, feature_row, references
from gnomon.events import Comparison
from gnomon.models.describe import Circumstances, card_file
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.registry.versions import FEATURES_FILE
from gnomon.models.train import train
from gnomon.operations.models.drift_watch import DriftWatch
from gnomon.operations.models.feature_drift import (
    LATEST,
    drift_of,
    moved_since_training,
    references_of,
    sentence,
)

TRAINED = runs(600)
STORED = card_file(train(TRAINED, learner=LEARNERS["pool"]()), Circumstances())[FEATURES_FILE]


class Registered:
    """A registry with one version, with or without stored distributions."""

    def __init__(self, stored: bytes | None = STORED, *, newest: str | None = "7") -> None:
        self._stored, self._newest = stored, newest

    def newest(self) -> str | None:
        return self._newest

    def file_of(self, version: str, name: str) -> bytes | None:
        assert (version, name) == ("7", "feature_distributions.json")
        return self._stored


def registry(stored: bytes | None = STORED, *, newest: str | None = "7") -> Any:
    return Registered(stored, newest=newest)


def rows(count: int, *, more: float = 1.0) -> list[tuple[float, ...]]:
    """Features of later runs; ``tasks_completed_1h`` is greater by the factor ``more``."""
    at = FEATURES.index("tasks_completed_1h")
    found = [feature_row(TRAINED[number % len(TRAINED)]) for number in range(count)]
    return [(*row[:at], row[at] * more, *row[at + 1 :]) for row in found]


def test_the_stored_distributions_are_those_of_the_training_runs() -> None:
    columns = zip(*map(feature_row, TRAINED), strict=True)
    expected = references(dict(zip(FEATURES, map(list, columns), strict=True)))
    assert references_of(registry(), "7") == expected


def test_only_features_that_moved_are_named() -> None:
    still, moved = (drift_of(references_of(registry(), "7"), rows(LATEST, more=s)) for s in (1, 9))
    assert sentence(still) == "features steady: none has moved"
    assert moved.word == "reason to retrain"
    assert sentence(moved).startswith("features reason to retrain: tasks_completed_1h (PSI ")
    assert [name for name, each in moved.features.items() if each.word != "steady"] == [
        "tasks_completed_1h"
    ]


@pytest.mark.parametrize(
    ("of", "latest"),
    [
        (registry(), rows(LATEST)),
        (registry(), rows(LATEST - 1, more=9.0)),
        (registry(None), rows(LATEST, more=9.0)),
        (registry(b"no json"), rows(LATEST, more=9.0)),
        (registry(newest=None), rows(LATEST, more=9.0)),
    ],
    ids=["steady", "too few", "not stored", "unreadable", "no version"],
)
def test_what_is_no_reason_to_train(of: Any, latest: list[tuple[float, ...]]) -> None:
    assert moved_since_training(of, latest) is None


def test_features_that_moved_far_are_a_reason_to_train() -> None:
    found = moved_since_training(registry(), rows(LATEST, more=9.0))
    assert found is not None
    assert found.startswith("since the training of version 7: features reason to retrain: tasks_")


def test_a_watch_keeps_the_features_of_the_decisions_after_a_time() -> None:
    watch, read = DriftWatch(), sorted(runs(1_200), key=lambda run: run.outcome.at_ms)
    watch.worsened(read[:700], {}, since_ms=0)
    watch.worsened(read[600:], {}, since_ms=0)  # a hundred of them again
    since_ms = read[900].outcome.at_ms
    np.testing.assert_array_equal(watch.rows_since(since_ms), later(read, since_ms))
    assert len(watch.rows_since(0)) == LATEST


def later(read: list[Comparison], since_ms: int) -> Any:
    return [feature_row(run) for run in read if run.outcome.at_ms > since_ms]


def test_an_old_version_has_no_stored_distributions() -> None:
    assert references_of(registry(None), "7") == {}
    assert msgspec.json.decode(STORED).keys() == set(FEATURES)

"""Past decisions as registered versions predict them now."""

import copy
import random
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.models.runs import runs
from tests.unit.models.test_predictor import a_real_one, loaded

from gnomon.events import TaskFinished, TaskStarted
from gnomon.features import FeaturesConfig
from gnomon.replay.history import decisions_of
from gnomon.replay.replayed import KIND, is_replayed
from gnomon.replay.scoring import ScoredVersion, ScoringError, report_of, scored
from gnomon.replay.source import Run

HISTORY = runs(40, seed=9)
MIDDLE_MS = HISTORY[25].started_at_ms


class Failing:
    def predict(self, frame: Any) -> Any:
        raise KeyError("no")


def test_each_decision_is_predicted_as_the_version_alone_would() -> None:
    model = a_real_one()
    found = list(scored(HISTORY, [ScoredVersion(model, MIDDLE_MS)]))

    assert [d.decision_id for d in found] == [d.decision_id for d in HISTORY]
    for decision, replayed in zip(HISTORY, found, strict=True):
        *baselines, made = replayed.predictions
        assert [p.model for p in baselines] == ["control", "same-type", "type"]
        assert [(made.duration_s, made.success_probability)] == model.predict([decision])
        assert made.sha256 == model.sha256
        assert replayed.outcome == decision.outcome
    assert baselines[0].duration_s == 500.0  # the agents' hour in these runs


def test_what_a_version_may_have_been_trained_on_is_marked() -> None:
    found = list(scored(HISTORY, [ScoredVersion(a_real_one(), MIDDLE_MS)]))

    assert [d.predictions[-1].unseen for d in found] == [False] * 25 + [True] * 15
    for decision in found:  # the baseline type is read from the version
        assert [p.unseen for p in decision.predictions[:3]] == [
            None,
            None,
            decision.predictions[3].unseen,
        ]
    (unknown,) = scored(HISTORY[:1], [ScoredVersion(a_real_one(), None)])
    assert unknown.predictions[-1].unseen is None


def test_the_report_has_the_errors_on_unseen_and_on_all_decisions() -> None:
    version = ScoredVersion(a_real_one(), MIDDLE_MS)
    found = list(scored(HISTORY, [version]))
    report = report_of(found, [version])

    errors = np.array(
        [abs(d.predictions[-1].duration_s - d.outcome.duration_s) for d in found]  # type: ignore[operator]
    )
    every, unseen = report.all[-1], report.unseen[-1]
    assert (every.name, every.version, every.n, unseen.n) == ("gnomon", "1", 40, 15)
    assert every.mae_s == pytest.approx(errors.mean(), abs=1e-5)
    assert unseen.mae_s == pytest.approx(errors[25:].mean(), abs=1e-5)
    assert report.unseen[0].n == 15  # the baselines, on the same decisions
    assert (report.decisions, report.versions[0].unseen, report.replayed) == (40, 15, True)


def test_each_version_is_judged_on_what_it_has_not_seen_itself() -> None:
    one, two = a_real_one(), copy.copy(a_real_one())
    two.version, two.sha256 = "2", "two"
    versions = [
        ScoredVersion(one, MIDDLE_MS),
        ScoredVersion(two, HISTORY[35].started_at_ms),
    ]
    report = report_of(list(scored(HISTORY, versions)), versions)

    counts = {(row.name, row.version): row.n for row in report.unseen}
    assert counts[("gnomon", "1")] == report.versions[0].unseen == 15
    assert counts[("gnomon", "2")] == report.versions[1].unseen == 5
    assert counts[("type", "0")] == 5  # it is read from version 2


def test_a_repetition_gives_the_same_bytes_and_each_line_is_marked() -> None:
    versions = [ScoredVersion(a_real_one(), MIDDLE_MS)]
    once, again = ([msgspec.json.encode(d) for d in scored(HISTORY, versions)] for _ in range(2))

    assert once == again
    assert all(is_replayed(line) for line in once)
    assert msgspec.json.decode(once[0])["kind"] == KIND
    assert not is_replayed(msgspec.json.encode(HISTORY[0]))
    assert not is_replayed(b"no JSON")


def test_a_version_that_cannot_predict_is_named() -> None:
    with pytest.raises(ScoringError, match=r"gnomon@1 cannot predict: KeyError\('no'\)"):
        list(scored(HISTORY, [ScoredVersion(loaded(Failing()), None)]))


def a_run(number: int, start_s: int, end_s: int | None) -> Run:
    started = TaskStarted(
        agent_id="ada", task_id=f"t{number}", task_type="review", started_at_ms=start_s * 1000
    )
    finished = None
    if end_s is not None:
        finished = TaskFinished(
            agent_id="ada",
            task_id=f"t{number}",
            task_type="review",
            started_at_ms=start_s * 1000,
            finished_at_ms=end_s * 1000,
            duration_s=float(end_s - start_s),
            succeeded=True,
        )
    return Run(started=started, finished=finished)


def test_features_of_recorded_runs_are_those_known_at_the_start() -> None:
    history = [
        a_run(1, 10_000, 10_100),
        a_run(2, 10_050, 10_450),
        a_run(3, 10_200, None),
        a_run(4, 10_500, 10_510),
        a_run(5, 90_000, 90_005),
    ]
    random.Random(3).shuffle(history)  # noqa: S311  no secret

    found = decisions_of(history, config=FeaturesConfig())

    assert [
        (d.task_id, d.features.tasks_completed_1h, d.features.same_type_avg_execution_time)
        for d in found
    ] == [("t1", 0, None), ("t2", 0, None), ("t4", 2, 250.0), ("t5", 0, 170.0)]
    assert [d.features.tasks_in_flight for d in found] == [0, 1, 1, 1]
    assert [d.outcome.duration_s for d in found] == [100.0, 400.0, 10.0, 5.0]
    assert decisions_of([], config=FeaturesConfig()) == []
    assert decisions_of([replace(history[0], finished=None)], config=FeaturesConfig()) == []

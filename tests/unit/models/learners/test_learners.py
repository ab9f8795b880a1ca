"""Every learner on runs that are unlike what anyone would wish for."""

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from tests.unit.models.runs import BAD, BEGAN_MS, a_task, all_alike, runs, with_outcome

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison, Completeness, FeatureVector
from gnomon.models.learners import xgboosted
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.learners.linear import coefficients
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import COLUMNS, context_columns, to_frame
from gnomon.models.threads import one_thread
from gnomon.models.train import train

TASKS = [
    a_task(),
    a_task(agent_id="never seen", task_type="never seen", estimate_s=1e308),
    a_task(
        features=FeatureVector(
            tasks_completed_1h=3,
            avg_execution_time_1h=1e12,
            same_type_runs=20,
            same_type_avg_execution_time=1e12,
            same_type_success_rate=0.0,
            agent_avg_execution_time=0.0,
            agent_success_rate=1.0,
        ),
        completeness=Completeness(hour_seen=0.1),
    ),
]


def fitted(name: str, decisions: Sequence[Comparison]) -> LoadedModel:
    """One fit of all ``decisions``, without the evaluation that training makes first."""
    columns = (*COLUMNS, *context_columns(decisions))
    outcomes = [(d.outcome.duration_s, bool(d.outcome.succeeded)) for d in decisions]
    durations, successes = zip(*outcomes, strict=True)
    with one_thread():
        estimator = LEARNERS[name]().fit(
            to_frame(decisions, columns),
            np.array(durations, np.float64),
            np.array(successes, np.bool_),
        )
    return LoadedModel(
        name="gnomon",
        version="1",
        sha256="",
        estimator=estimator,
        inputs=columns,
        outputs=("duration_s", "success_probability"),
    )


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("name", LEARNERS)
def test_whatever_it_learnt_from_it_predicts_numbers_in_range(
    name: str, spoil: Callable[[Comparison], Comparison]
) -> None:
    decisions = [spoil(run) for run in runs(60)]

    model = fitted(name, decisions)

    for duration_s, probability in model.predict([*TASKS, *decisions[:3]]):
        assert duration_s is not None
        assert 0.0 <= duration_s < math.inf
        assert probability is not None
        assert 0.0 <= probability <= 1.0


@pytest.mark.parametrize("name", LEARNERS)
def test_runs_that_all_end_alike_are_predicted_so(name: str) -> None:
    model = fitted(name, [all_alike(run) for run in runs(60)])

    ((duration_s, probability),) = model.predict([all_alike(runs(1)[0])])

    assert duration_s == pytest.approx(60.0, rel=0.01)
    assert probability == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", LEARNERS)
def test_each_learner_freezes_what_is_known_of_the_types(name: str) -> None:
    decisions = runs(120)

    table = fitted(name, decisions).type_table

    assert table is not None
    ((duration_s, rate), nothing) = table.predict(["review", "never seen"])
    of_type = [d.outcome.duration_s or 0.0 for d in decisions if d.task_type == "review"]
    assert duration_s == pytest.approx(np.median(of_type))
    assert (rate, nothing) == (1.0, (None, None))


def test_the_mix_is_what_is_learnt_by_default() -> None:
    assert (DEFAULT, train(runs(40)).learner) == ("mix", "mix")


def test_a_linear_model_can_be_read() -> None:
    trained = train(runs(250), learner=LEARNERS["linear"]())

    read = coefficients(trained.estimator)  # type: ignore[arg-type]

    by_size = read["log_duration"].drop("intercept").abs().sort_values(ascending=False)
    assert by_size.index[0] == "task_type: log duration"
    assert read["log_odds"].drop("intercept").abs().idxmax() == "task_type: success"
    assert {"agent_id: success", "context_chars", "intercept"} <= set(read.index)


def test_without_xgboost_its_learner_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)

    with pytest.raises(ConfigurationError, match=r"gnomon\[xgboost\]"):
        train(runs(40), learner=xgboosted.XGBoost())


def test_xgboost_is_stored_in_its_own_format() -> None:
    trained = train(runs(60), learner=LEARNERS["xgboost"]())

    stored = trained.estimator.duration_.ubjson_.tobytes()  # type: ignore[attr-defined]

    assert stored.startswith(b"{L")  # an object of UBJSON with its length
    assert b"learner" in stored[:64]


def test_an_agent_of_long_ago_does_not_weigh_on_the_tables() -> None:
    """Only the last hundred runs of a type are kept, however many there were."""
    early = [with_outcome(run, duration_s=1e6) for run in runs(400)]
    late = [
        msgspec.structs.replace(run, started_at_ms=run.started_at_ms + 400 * 3_000_000, task_id=f"l{n}", decision_id=f"z{n:05}")
        for n, run in enumerate(runs(800, seed=9))
    ]  # fmt: skip
    assert min(run.started_at_ms for run in late) >= BEGAN_MS + 400 * 3_000_000

    model = fitted("pool", [*early, *late])

    ((duration_s, _),) = model.predict([a_task(agent_id="new", task_type="review")])
    assert duration_s is not None
    assert duration_s < 1_000.0

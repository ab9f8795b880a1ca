"""One decision, explained as far as its versions can be loaded."""

import math
from typing import Any

import msgspec
import pytest
from tests.unit.models.runs import runs
from tests.unit.models.test_predictor import a_real_one, loaded

from gnomon.errors import ModelRefusedError
from gnomon.events import Comparison, FeatureVector, Interval, Intervals, ModelPrediction
from gnomon.models.predictor import LoadedModel
from gnomon.operations.models.explaining import explain_decision, losses_of

RUN = runs(1, seed=5)[0]


def decision(*predictions: ModelPrediction, **changes: Any) -> Comparison:
    return msgspec.structs.replace(RUN, predictions=list(predictions), **changes)


def predicted(version: str, duration_s: float | None, probability: float | None) -> ModelPrediction:
    return ModelPrediction(
        model="gnomon",
        version=version,
        duration_s=duration_s,
        success_probability=probability,
        sha256=f"sha-{version}",
    )


def load(model: str, version: str, sha256: str | None) -> LoadedModel:
    if version == "7":
        raise ModelRefusedError("unknown_version", f"{model} has no version '7'")
    if version == "8":
        return loaded(Failing())
    assert (model, sha256) == ("gnomon", f"sha-{version}")
    return a_real_one()


class Failing:
    def predict(self, frame: Any) -> Any:
        raise KeyError("no")


def test_a_missing_version_says_so_and_the_rest_is_explained() -> None:
    ((duration_s, probability),) = a_real_one().predict([RUN])
    found = explain_decision(
        decision(
            predicted("6", duration_s, probability),
            predicted("7", 1.0, 0.5),
            predicted("8", 1.0, 0.5),
            predicted("9", 1.0, probability),
        ),
        load,
    )

    good, missing, failing, other = found.predictions
    assert good.explanation is not None
    assert (good.reproduced, good.missing) == (True, None)
    assert (missing.explanation, missing.reproduced) == (None, None)
    assert missing.missing == "unknown_version: gnomon has no version '7'"
    assert failing.missing == "the version cannot be explained: KeyError('no')"
    assert other.reproduced is False
    assert msgspec.json.decode(msgspec.json.encode(found))["decision_id"] == RUN.decision_id


def test_features_have_a_unit_and_a_meaning() -> None:
    found = {each.name: each for each in explain_decision(decision(), load).features}

    assert {name: each.unit for name, each in found.items()} == {
        "tasks_completed_1h": "count",
        "avg_execution_time_1h": "s",
        "success_rate_1h": "share",
        "code_review_iterations": "mean count",
        "median_execution_time_1h": "s",
        "deployment_success_rate_1h": "share",
        "tasks_in_flight": "count",
        "seconds_since_last_finish": "s",
        "same_type_runs": "count",
        "same_type_avg_execution_time": "s",
        "same_type_success_rate": "share",
        "agent_runs": "count",
        "agent_avg_execution_time": "s",
        "agent_success_rate": "share",
    }
    assert found["avg_execution_time_1h"].value == 500.0
    assert found["avg_execution_time_1h"].meaning == "Mean duration of the hour's tasks."


@pytest.mark.parametrize(
    ("features", "estimate_s", "control", "same_type"),
    [
        ({}, None, "nothing is known of the agent", "nothing is known of the agent"),
        ({}, 5.0, "the agent's own estimate", "the agent's own estimate"),
        (
            {"avg_execution_time_1h": 1.0, "tasks_completed_1h": 4},
            None,
            "mean of the agent's 4 runs in the last hour",
            "mean of the agent's 4 runs in the last hour",
        ),
        (
            {
                "agent_avg_execution_time": 1.0,
                "agent_runs": 20,
                "same_type_avg_execution_time": 2.0,
                "same_type_runs": 3,
            },
            None,
            "mean of the agent's last 20 runs",
            "mean of the agent's last 3 runs of the type",
        ),
    ],
)
def test_baselines_say_what_they_took_the_duration_from(
    features: dict[str, Any], estimate_s: float | None, control: str, same_type: str
) -> None:
    names = ("control", "same-type", "type")
    rules = [ModelPrediction(model=name, version="0") for name in names]
    found = explain_decision(
        decision(*rules, features=FeatureVector(**features), estimate_s=estimate_s), load
    )

    assert [each.reason for each in found.predictions][:2] == [control, same_type]
    assert (found.predictions[2].reason or "").startswith("median of the last runs of the type")
    assert {each.missing for each in found.predictions} == {None}


def test_losses_are_those_of_the_verdict() -> None:
    outcome = msgspec.structs.replace(RUN.outcome, duration_s=9.0, succeeded=False)
    by_level = {
        "80": Interval(low_s=4.0, high_s=8.0, own_low_s=4.0, own_high_s=8.0),
        "90": Interval(low_s=3.0, high_s=9.0, own_low_s=3.0, own_high_s=9.0),
    }
    near = ModelPrediction(
        model="m",
        version="1",
        duration_s=4.0,
        success_probability=0.25,
        intervals=Intervals(bucket=0, by_level=by_level),
    )

    found = losses_of(near, outcome)
    assert found.absolute_error_s == 5.0
    assert found.log_error == pytest.approx(math.log(10) - math.log(5))
    assert found.brier == 0.0625
    assert found.inside == {"80": False, "90": True}
    assert losses_of(predicted("1", 999.0, None), outcome).log_error == pytest.approx(2.302585093)
    assert losses_of(predicted("1", None, None), outcome).absolute_error_s is None

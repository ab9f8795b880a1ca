"""The simple rules that a model has to beat."""

import pytest
from tests.unit.models.runs import a_task

from gnomon.events import FeatureVector
from gnomon.models.baselines import control, same_type

HOUR = {"avg_execution_time_1h": 20.0, "success_rate_1h": 0.25}
AGENT = {"agent_avg_execution_time": 30.0, "agent_success_rate": 0.75}
TYPE = {"same_type_avg_execution_time": 40.0, "same_type_success_rate": 0.5}


@pytest.mark.parametrize(
    ("estimate_s", "figures", "said"),
    [
        (10.0, HOUR | AGENT, (10.0, 0.25)),
        (0.0, HOUR | AGENT, (0.0, 0.25)),
        (None, HOUR | AGENT, (20.0, 0.25)),
        (None, {"avg_execution_time_1h": 0.0, "success_rate_1h": 0.0} | AGENT, (0.0, 0.0)),
        (None, AGENT, (30.0, 0.75)),
        (10.0, AGENT, (10.0, 0.75)),
        (10.0, {}, (10.0, None)),
        (None, TYPE, (None, None)),
        (None, {}, (None, None)),
    ],
)
def test_control_says_the_first_that_is_known_and_else_nothing(
    estimate_s: float | None, figures: dict[str, float], said: tuple[float | None, float | None]
) -> None:
    task = a_task(estimate_s=estimate_s, features=FeatureVector(**figures))  # type: ignore[arg-type]

    assert control(task) == said


@pytest.mark.parametrize(
    ("estimate_s", "figures", "said"),
    [
        (10.0, HOUR | AGENT | TYPE, (40.0, 0.5)),
        (
            None,
            {"same_type_avg_execution_time": 0.0, "same_type_success_rate": 0.0} | HOUR,
            (0.0, 0.0),
        ),
        (10.0, HOUR | AGENT, (10.0, 0.25)),
        (None, AGENT, (30.0, 0.75)),
        (None, {}, (None, None)),
    ],
)
def test_same_type_is_the_mean_of_the_agents_runs_of_the_type_and_else_control(
    estimate_s: float | None, figures: dict[str, float], said: tuple[float | None, float | None]
) -> None:
    task = a_task(estimate_s=estimate_s, features=FeatureVector(**figures))  # type: ignore[arg-type]

    assert same_type(task) == said

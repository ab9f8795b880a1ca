"""The estimate to beat."""

import pytest
from tests.unit.models.runs import a_task

from gnomon.events import FeatureVector
from gnomon.models.control import control_prediction

HOUR = {"avg_execution_time_1h": 20.0, "success_rate_1h": 0.25}
AGENT = {"agent_avg_execution_time": 30.0, "agent_success_rate": 0.75}


@pytest.mark.parametrize(
    ("estimate_s", "figures", "said"),
    [
        (10.0, HOUR | AGENT, (10.0, 0.25)),
        (0.0, HOUR | AGENT, (0.0, 0.25)),
        (None, HOUR | AGENT, (20.0, 0.25)),
        (None, {"avg_execution_time_1h": 0.0, "success_rate_1h": 0.0} | AGENT, (0.0, 0.0)),
        (None, AGENT, (30.0, 0.75)),
        (10.0, AGENT, (10.0, 0.75)),
        (None, {}, (300.0, 0.5)),
        (None, {"same_type_avg_execution_time": 1.0, "same_type_success_rate": 1.0}, (300.0, 0.5)),
    ],
)
def test_control_says_the_first_that_is_known(
    estimate_s: float | None, figures: dict[str, float], said: tuple[float, float]
) -> None:
    task = a_task(estimate_s=estimate_s, features=FeatureVector(**figures))  # type: ignore[arg-type]

    assert control_prediction(task) == said

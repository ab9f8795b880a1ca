"""Control, the estimate to beat: what anyone would say without a model."""

from typing import Final

from gnomon.events import Comparison, TaskFeatures

DEFAULT_DURATION_S: Final = 300.0
"""Said of an agent of which nothing is known at all: five minutes."""

DEFAULT_SUCCESS: Final = 0.5


def control_prediction(task: TaskFeatures | Comparison) -> tuple[float, float]:
    """Seconds the task will take, and the probability that it succeeds.

    The agent's own estimate if it gave one, else its mean of the last hour, else of its last 20
    runs, else a constant; success likewise, by rates. Nothing but ``task`` decides.
    """
    features = task.features
    duration_s = task.estimate_s
    if duration_s is None:
        duration_s = features.avg_execution_time_1h
    if duration_s is None:
        duration_s = features.agent_avg_execution_time
    if duration_s is None:
        duration_s = DEFAULT_DURATION_S
    success = features.success_rate_1h
    if success is None:
        success = features.agent_success_rate
    if success is None:
        success = DEFAULT_SUCCESS
    return duration_s, success

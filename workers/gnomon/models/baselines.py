"""Baselines: simple rules that predict every task beside the models, which must beat them all.

A rule without data for a task predicts ``None``: the task is then no evidence. An invented value would
make the baseline too easy to beat.
"""

from typing import Final

from gnomon.events import Comparison, TaskFeatures

VERSION: Final = "0"
"""The version of every baseline, because a rule does not change."""

Predicted = tuple[float | None, float | None]
"""Predicted seconds, and the predicted probability of success."""

NOTHING: Final[Predicted] = (None, None)


def control(task: TaskFeatures | Comparison) -> Predicted:
    """Predict from the agent alone: its own estimate, else its mean of the hour or of its last 20 runs.

    The probability is the agent's success rate of the hour, else of its last 20 runs.
    """
    features = task.features
    duration_s = task.estimate_s
    if duration_s is None:
        duration_s = features.avg_execution_time_1h
    if duration_s is None:
        duration_s = features.agent_avg_execution_time
    success = features.success_rate_1h
    if success is None:
        success = features.agent_success_rate
    return duration_s, success


def same_type(task: TaskFeatures | Comparison) -> Predicted:
    """Predict the means of the agent's last 20 runs of the task's type, else what ``control`` predicts."""
    features = task.features
    duration_s, success = control(task)
    if features.same_type_avg_execution_time is not None:
        duration_s = features.same_type_avg_execution_time
    if features.same_type_success_rate is not None:
        success = features.same_type_success_rate
    return duration_s, success

"""Baselines: simple rules that predict every task beside the models, which must beat them all.

A rule that knows nothing of a task predicts nothing, ``None``: that task is no evidence then. An
invented figure would be a straw man.
"""

from typing import Final

from gnomon.events import Comparison, TaskFeatures

VERSION: Final = "0"
"""Of every baseline: a rule does not change."""

Predicted = tuple[float | None, float | None]
"""Seconds the task will take, and the probability that it succeeds."""

NOTHING: Final[Predicted] = (None, None)


def control(task: TaskFeatures | Comparison) -> Predicted:
    """What anyone would guess of the agent: its own estimate, else its hour, else its last 20 runs.

    The probability is the success rate of its hour, else of its last 20 runs.
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
    """The means of the agent's last 20 runs of the task's type, else what ``control`` predicts."""
    features = task.features
    duration_s, success = control(task)
    if features.same_type_avg_execution_time is not None:
        duration_s = features.same_type_avg_execution_time
    if features.same_type_success_rate is not None:
        success = features.same_type_success_rate
    return duration_s, success

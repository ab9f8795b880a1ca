"""The numbers of a decision: what is stored beside its sealed row, in clear. Pure.

There is no text that an agent wrote: ids of agents and task types are given to a function that makes keyed
hashes of them.
"""

from collections.abc import Callable
from math import log, log1p
from typing import Final, Literal, NamedTuple

import msgspec

Value = str | int | float | bool | None
Row = tuple[Value, ...]
Word = Callable[[str], str]
"""Returns what is stored in place of the id of an agent or a task type."""

CONTROL, SAME_TYPE, TYPE = "control", "same-type", "type"
HOUR_MS: Final = 3_600_000
LOG_CAP: Final = log(10)
"""Largest log loss, as in the verdict, which takes long to import: numpy comes with it."""


class _Interval(msgspec.Struct, gc=False):
    low_s: float
    high_s: float


class _Intervals(msgspec.Struct, gc=False):
    by_level: dict[str, _Interval] = {}


class _Prediction(msgspec.Struct, gc=False):
    model: str
    version: str
    duration_s: float | None = None
    success_probability: float | None = None
    intervals: _Intervals | None = None


class _Outcome(msgspec.Struct, gc=False):
    status: Literal["matched", "expired", "cancelled"]
    at_ms: int
    duration_s: float | None = None
    succeeded: bool | None = None


class _Completeness(msgspec.Struct, frozen=True, gc=False):
    hour_seen: float | None = None


class DecisionHead(msgspec.Struct, gc=False):
    """The fields of a comparison that are stored in clear or as numbers; the rest stays encoded."""

    decision_id: str
    started_at_ms: int
    outcome: _Outcome
    agent_id: str = ""
    task_type: str = ""
    completeness: _Completeness = _Completeness()
    predictions: list[_Prediction] = []
    estimate_s: float | None = None
    tenant: str | None = None
    traceparent: str | None = None


class Figures(NamedTuple):
    """Rows for ``gnomon_tasks`` and ``gnomon_predictions``, in the order of their columns."""

    task: Row
    predictions: list[Row]

    @property
    def ended_at_ms(self) -> int:
        """End of the task, epoch milliseconds."""
        return int(self.task[0] or 0)


_NOTHING: Final = _Prediction("", "")


def figures_of(head: DecisionHead, word: Word, *, scope: str = "") -> Figures:
    """Return the numbers of a decision.

    Args:
        head: The decision.
        word: What stands for an id.
        scope: Scope of the sealed row.
    """
    outcome = head.outcome
    control = same_type = type_ = _NOTHING
    models = []
    for each in head.predictions:
        model = each.model
        if model == CONTROL:
            control = each
        elif model == SAME_TYPE:
            same_type = each
        elif model == TYPE:
            type_ = each
        else:
            models.append(each)
    whose = (scope, word(head.agent_id), word(head.task_type), outcome.status)
    times = (outcome.at_ms, head.decision_id)
    by_baselines = (control.duration_s, same_type.duration_s, type_.duration_s)
    task = (
        *times,
        *whose,
        head.started_at_ms,
        outcome.duration_s,
        outcome.succeeded,
        head.estimate_s,
        head.completeness.hour_seen,
        *by_baselines,
        control.success_probability,
        same_type.success_probability,
        type_.success_probability,
    )
    shared = (
        *whose,
        head.started_at_ms,
        head.started_at_ms // HOUR_MS,
        outcome.duration_s,
        outcome.succeeded,
    )
    actual_s, succeeded = outcome.duration_s, outcome.succeeded
    control_losses = _losses(control, actual_s, succeeded)
    predictions = []
    for each in models:
        error_s, loss, brier = _losses(each, actual_s, succeeded)
        predictions.append(
            (
                *times,
                each.model,
                each.version,
                *shared,
                each.duration_s,
                each.success_probability,
                *_ends(each.intervals),
                *by_baselines,
                error_s,
                control_losses[0],
                loss,
                control_losses[1],
                brier,
                control_losses[2],
            )
        )
    return Figures(task, predictions)


def _ends(intervals: _Intervals | None) -> tuple[float | None, ...]:
    """Return both ends of the 80 % and of the 90 % interval, in seconds."""
    if intervals is None:
        return (None, None, None, None)
    found = intervals.by_level
    at_80, at_90 = found.get("80"), found.get("90")
    return (
        at_80.low_s if at_80 else None,
        at_80.high_s if at_80 else None,
        at_90.low_s if at_90 else None,
        at_90.high_s if at_90 else None,
    )


def _losses(
    predicted: _Prediction,
    actual_s: float | None,
    succeeded: bool | None,  # noqa: FBT001  an outcome
) -> tuple[float | None, float | None, float | None]:
    """Return the absolute error in seconds, the log loss, and the Brier score.

    The log loss is the verdict's: ``|ln(1 + predicted) - ln(1 + actual)|``, at most ln 10.
    """
    error_s = loss = brier = None
    predicted_s, probability = predicted.duration_s, predicted.success_probability
    if predicted_s is not None and actual_s is not None:
        error_s = abs(predicted_s - actual_s)
        loss = min(abs(log1p(predicted_s) - log1p(actual_s)), LOG_CAP)
    if probability is not None and succeeded is not None:
        brier = (probability - succeeded) * (probability - succeeded)
    return error_s, loss, brier

"""Names what was known of a task when it started, and what the baselines predicted from it."""

from typing import Any, Final, get_args, get_type_hints

import msgspec

from gnomon.comparison import CONTROL_MODEL, SAME_TYPE_MODEL, TYPE_MODEL
from gnomon.events import Count, FeatureVector, Seconds, Share
from gnomon.events.field_types import Average
from gnomon.models.table import Task

_UNITS: Final[tuple[tuple[Any, str], ...]] = (
    (Seconds, "s"),
    (Share, "share"),
    (Count, "count"),
    (Average, "mean count"),
)


class KnownFeature(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of a task: its value (``None``: nothing to average), its unit, and its meaning."""

    name: str
    value: float | None
    unit: str
    meaning: str


def known_features(task: Task) -> list[KnownFeature]:
    """Return every feature of the task's vector, in the order of ``FeatureVector``."""
    hints = get_type_hints(FeatureVector, include_extras=True)
    return [
        KnownFeature(
            name=name,
            value=getattr(task.features, name),
            unit=_unit(hints[name]),
            meaning=hints[name].__metadata__[-1].description or "",
        )
        for name in FeatureVector.__struct_fields__
    ]


def _unit(hint: Any) -> str:
    """Return the unit of a feature's type, which may also be ``None``."""
    own = next(
        (arg for arg in get_args(hint.__origin__) if hasattr(arg, "__metadata__")),
        hint,
    )
    for known, unit in _UNITS:
        if (own.__origin__, own.__metadata__[0]) == (known.__origin__, known.__metadata__[0]):
            return unit
    raise TypeError(f"a feature has the type {hint!r}, which has no unit")


def baseline_reason(name: str, task: Task) -> str | None:
    """Return what the duration of a baseline was taken from; ``None`` for another model."""
    features = task.features
    if name == TYPE_MODEL:
        return "median of the last runs of the type by all agents, stored in the model file"
    if name == SAME_TYPE_MODEL and features.same_type_avg_execution_time is not None:
        return f"mean of the agent's last {features.same_type_runs} runs of the type"
    return _control_reason(task) if name in {CONTROL_MODEL, SAME_TYPE_MODEL} else None


def _control_reason(task: Task) -> str:
    features = task.features
    if task.estimate_s is not None:
        return "the agent's own estimate"
    if features.avg_execution_time_1h is not None:
        return f"mean of the agent's {features.tasks_completed_1h} runs in the last hour"
    if features.agent_avg_execution_time is not None:
        return f"mean of the agent's last {features.agent_runs} runs"
    return "nothing is known of the agent"

"""The table of features, and the records that carry them.

``HourFeatures`` and ``FeatureVector`` are the one definition of every feature: its name, type,
unit, bounds and meaning. The JSON that the features stage writes, the columns of models and the
schemas in ``schemas/`` are derived from these classes.
"""

from typing import Annotated

import msgspec

from gnomon.events.field_types import (
    Average,
    ContextValue,
    Count,
    EpochMs,
    Seconds,
    Share,
    Traceparent,
)


class HourFeatures(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The features of an agent's last hour as of an instant t.

    All but ``tasks_in_flight`` are over the agent's tasks that finished in (t - 1 h, t] by event
    time and were read before. ``None`` means that there is nothing to average.
    """

    tasks_completed_1h: Annotated[
        Count, msgspec.Meta(description="Tasks that finished in the hour.")
    ] = 0
    avg_execution_time_1h: Annotated[
        Seconds | None, msgspec.Meta(description="Mean duration of the hour's tasks.")
    ] = None
    success_rate_1h: Annotated[
        Share | None, msgspec.Meta(description="Share of the hour's tasks that succeeded.")
    ] = None
    code_review_iterations: Annotated[
        Average | None,
        msgspec.Meta(description="Mean code review iterations of the hour's tasks that give them."),
    ] = None
    median_execution_time_1h: Annotated[
        Seconds | None, msgspec.Meta(description="Median duration of the hour's tasks.")
    ] = None
    deployment_success_rate_1h: Annotated[
        Share | None, msgspec.Meta(description="Share of the hour's deployments that succeeded.")
    ] = None
    tasks_in_flight: Annotated[
        Count,
        msgspec.Meta(description="Tasks that started within 24 hours and have not ended."),
    ] = 0


class FeatureVector(HourFeatures, frozen=True, kw_only=True, gc=False):
    """What was known of an agent at one instant t. ``None``: nothing to average.

    ``*_1h`` and ``code_review_iterations`` are over the agent's tasks that finished in
    (t - 1 h, t] by event time and were read before; ``same_type_*`` over the agent's last
    20 finished runs of the same task type, however old; ``agent_*`` over its last 20 of any type.
    """

    seconds_since_last_finish: Annotated[
        Seconds | None, msgspec.Meta(description="Time since the agent's last finish.")
    ] = None
    same_type_runs: Annotated[
        Count, msgspec.Meta(description="Last runs of the task's type that are known, at most 20.")
    ] = 0
    same_type_avg_execution_time: Annotated[
        Seconds | None, msgspec.Meta(description="Mean duration of the last runs of that type.")
    ] = None
    same_type_success_rate: Annotated[
        Share | None,
        msgspec.Meta(description="Share of the last runs of that type that succeeded."),
    ] = None
    agent_runs: Annotated[
        Count, msgspec.Meta(description="Last runs of any type that are known, at most 20.")
    ] = 0
    agent_avg_execution_time: Annotated[
        Seconds | None, msgspec.Meta(description="Mean duration of the last runs of any type.")
    ] = None
    agent_success_rate: Annotated[
        Share | None, msgspec.Meta(description="Share of the last runs of any type that succeeded.")
    ] = None


class Completeness(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the hour behind a feature vector was really seen.

    ``hour_seen`` is the share of (t - 1 h, t] that this state has folded (below 1 after a cold
    start, or for an event older than the allowed lateness); ``late_dropped`` counts the agent's
    finishes of that hour that came too late to be in it.
    """

    hour_seen: Share = 0.0
    late_dropped: Count = 0


class TaskFeatures(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="task_features.v1"
):
    """A started task with its feature vector as of the start.

    ``sealed_context`` and ``traceparent`` are passed on as they came; no model sees them.
    """

    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: EpochMs
    features: FeatureVector
    completeness: Completeness
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    traceparent: Traceparent | None = None


class AgentFeatures(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="agent_features.v1"
):
    """An agent's rolling features as of ``as_of_ms``; decays while the agent is silent.

    Between ``as_of_ms`` and ``last_finished_at_ms`` are the fields of ``HourFeatures``, which
    says what each means. They are required here, so they cannot be inherited from there.
    """

    agent_id: str
    as_of_ms: EpochMs
    tasks_completed_1h: Count
    avg_execution_time_1h: Seconds | None
    success_rate_1h: Share | None
    code_review_iterations: Average | None
    median_execution_time_1h: Seconds | None
    deployment_success_rate_1h: Share | None
    tasks_in_flight: Count
    last_finished_at_ms: EpochMs | None
    completeness: Completeness

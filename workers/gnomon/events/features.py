"""What was known of an agent: at the start of a task, and lately."""

from typing import Annotated

import msgspec

from gnomon.events.field_types import ContextValue, Count, EpochMs, Seconds, Share


class FeatureVector(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known of an agent at one instant t. ``None``: nothing to average.

    ``*_1h`` and ``code_review_iterations`` are over the agent's tasks that finished in
    (t - 1 h, t] by event time and were read before; ``same_type_*`` over the agent's last
    20 finished runs of the same task type, however old; ``agent_*`` over its last 20 of any type.
    """

    tasks_completed_1h: Count = 0
    avg_execution_time_1h: Seconds | None = None
    success_rate_1h: Share | None = None
    code_review_iterations: Annotated[float, msgspec.Meta(ge=0.0)] | None = None
    median_execution_time_1h: Seconds | None = None
    deployment_success_rate_1h: Share | None = None
    tasks_in_flight: Count = 0
    seconds_since_last_finish: Seconds | None = None
    same_type_runs: Count = 0
    same_type_avg_execution_time: Seconds | None = None
    same_type_success_rate: Share | None = None
    agent_runs: Count = 0
    agent_avg_execution_time: Seconds | None = None
    agent_success_rate: Share | None = None


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

    ``sealed_context`` is passed on as it came; no model sees it.
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


class AgentFeatures(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="agent_features.v1"
):
    """An agent's rolling features as of ``as_of_ms``; decays while the agent is silent."""

    agent_id: str
    as_of_ms: EpochMs
    tasks_completed_1h: Count
    avg_execution_time_1h: Seconds | None
    success_rate_1h: Share | None
    code_review_iterations: Annotated[float, msgspec.Meta(ge=0.0)] | None
    median_execution_time_1h: Seconds | None
    deployment_success_rate_1h: Share | None
    tasks_in_flight: Count
    last_finished_at_ms: EpochMs | None
    completeness: Completeness

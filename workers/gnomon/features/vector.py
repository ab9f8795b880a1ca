"""From what an agent's memory says to the records that tell it."""

from typing import Final

from gnomon.events import AgentFeatures, Completeness, FeatureVector, TaskFeatures, TaskStarted
from gnomon.features.config import HOUR_MS
from gnomon.features.figures import Known, Now

_COMPLETE: Final = Completeness(hour_seen=1.0, late_dropped=0)


def _completeness(covered_ms: int, late_dropped: int) -> Completeness:
    """``covered_ms``: how long before the instant the coverage began."""
    if covered_ms >= HOUR_MS:
        return Completeness(hour_seen=1.0, late_dropped=late_dropped) if late_dropped else _COMPLETE
    return Completeness(hour_seen=max(0, covered_ms) / HOUR_MS, late_dropped=late_dropped)


def task_features(event: TaskStarted, known: Known, *, covered_ms: int) -> TaskFeatures:
    """What was known as a task started."""
    (
        n, mean_s, success, reviews, median_s, deployed,
        in_flight, since_s,
        same_n, same_mean_s, same_success,
        all_n, all_mean_s, all_success,
        late,
    ) = known  # fmt: skip
    return TaskFeatures(
        agent_id=event.agent_id,
        task_id=event.task_id,
        task_type=event.task_type,
        started_at_ms=event.started_at_ms,
        features=FeatureVector(
            tasks_completed_1h=n,
            avg_execution_time_1h=mean_s,
            success_rate_1h=success,
            code_review_iterations=reviews,
            median_execution_time_1h=median_s,
            deployment_success_rate_1h=deployed,
            tasks_in_flight=in_flight,
            seconds_since_last_finish=since_s,
            same_type_runs=same_n,
            same_type_avg_execution_time=same_mean_s,
            same_type_success_rate=same_success,
            agent_runs=all_n,
            agent_avg_execution_time=all_mean_s,
            agent_success_rate=all_success,
        ),
        completeness=_completeness(covered_ms, late),
        estimate_s=event.estimate_s,
        context=event.context,
        sealed_context=event.sealed_context,
    )


def agent_features(agent_id: str, now: Now, *, as_of_ms: int, covered_ms: int) -> AgentFeatures:
    """What is known of an agent at an instant."""
    n, mean_s, success, reviews, median_s, deployed, in_flight, last_ms, late = now
    return AgentFeatures(
        agent_id=agent_id,
        as_of_ms=as_of_ms,
        tasks_completed_1h=n,
        avg_execution_time_1h=mean_s,
        success_rate_1h=success,
        code_review_iterations=reviews,
        median_execution_time_1h=median_s,
        deployment_success_rate_1h=deployed,
        tasks_in_flight=in_flight,
        last_finished_at_ms=last_ms,
        completeness=_completeness(covered_ms, late),
    )

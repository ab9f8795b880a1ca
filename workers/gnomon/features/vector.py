"""From what is remembered of an agent to its features at one instant."""

from bisect import bisect_right
from typing import Final

from gnomon.events import AgentFeatures, Completeness, FeatureVector, TaskFeatures, TaskStarted
from gnomon.features.agent import Agent
from gnomon.features.config import FLIGHT_MS, HOUR_MS
from gnomon.features.history import averages

_COMPLETE: Final = Completeness(hour_seen=1.0, late_dropped=0)


def _completeness(covered_ms: int, late_dropped: int) -> Completeness:
    """``covered_ms``: how long before the instant the coverage began."""
    if covered_ms >= HOUR_MS:
        return Completeness(hour_seen=1.0, late_dropped=late_dropped) if late_dropped else _COMPLETE
    return Completeness(hour_seen=max(0, covered_ms) / HOUR_MS, late_dropped=late_dropped)


def task_features(
    event: TaskStarted, agent: Agent, *, kept_from_ms: int, seen_from_ms: int
) -> TaskFeatures:
    """What was known as a task started, before it is put in flight.

    Args:
        event: The start; the instant is its ``started_at_ms``.
        agent: All that was read of the agent before it.
        kept_from_ms: Individual finishes are known after this.
        seen_from_ms: Event time at which the state began.
    """
    t = event.started_at_ms
    # Not max(): this runs for every start, and a call costs more than the comparison.
    after_ms = t - HOUR_MS if t - HOUR_MS > kept_from_ms else kept_from_ms
    agent.window.show(after_ms, t)
    n, mean_s, success_rate, reviews, median_s, deployment_rate = agent.window.figures()
    last_ms = agent.last_finish_ms(t, kept_from_ms)
    history = agent.history
    same_n, same_mean_s, same_success = averages(history.by_type.get(event.task_type))
    all_n, all_mean_s, all_success = averages(history.overall)
    return TaskFeatures(
        agent_id=event.agent_id,
        task_id=event.task_id,
        task_type=event.task_type,
        started_at_ms=t,
        features=FeatureVector(
            tasks_completed_1h=n,
            avg_execution_time_1h=mean_s,
            success_rate_1h=success_rate,
            code_review_iterations=reviews,
            median_execution_time_1h=median_s,
            deployment_success_rate_1h=deployment_rate,
            tasks_in_flight=agent.flights.count(after_ms - (FLIGHT_MS - HOUR_MS), t),
            seconds_since_last_finish=None if last_ms is None else (t - last_ms) / 1000,
            same_type_runs=same_n,
            same_type_avg_execution_time=same_mean_s,
            same_type_success_rate=same_success,
            agent_runs=all_n,
            agent_avg_execution_time=all_mean_s,
            agent_success_rate=all_success,
        ),
        completeness=_completeness(
            t - (seen_from_ms if seen_from_ms > kept_from_ms else kept_from_ms),
            agent.late_between(after_ms, t),
        ),
        estimate_s=event.estimate_s,
        context=event.context,
    )


def agent_features(
    agent_id: str, agent: Agent, *, as_of_ms: int, seen_from_ms: int
) -> AgentFeatures:
    """What is known of an agent at an instant not before its newest event time."""
    after_ms = as_of_ms - HOUR_MS
    agent.window.show(after_ms, as_of_ms)
    n, mean_s, success_rate, reviews, median_s, deployment_rate = agent.window.figures()
    return AgentFeatures(
        agent_id=agent_id,
        as_of_ms=as_of_ms,
        tasks_completed_1h=n,
        avg_execution_time_1h=mean_s,
        success_rate_1h=success_rate,
        code_review_iterations=reviews,
        median_execution_time_1h=median_s,
        deployment_success_rate_1h=deployment_rate,
        tasks_in_flight=agent.flights.count(as_of_ms - FLIGHT_MS, as_of_ms),
        last_finished_at_ms=agent.last_finish_ms(as_of_ms, -1),
        completeness=_completeness(as_of_ms - seen_from_ms, agent.late_between(after_ms, as_of_ms)),
    )


def counts(agent: Agent, *, as_of_ms: int) -> int:
    """Finishes in the hour plus tasks in flight: what the passing of time alone can change.

    Time only takes away from either, so it changes one of them if and only if it changes the sum.
    """
    window = agent.window
    window.show(as_of_ms - HOUR_MS, as_of_ms)
    return window.stop - window.first + agent.flights.count(as_of_ms - FLIGHT_MS, as_of_ms)


def decays_at_ms(agent: Agent, *, as_of_ms: int) -> int | None:
    """When the passing of time alone will next change ``agent_features`` as last built.

    None when nothing is in the hour and nothing in flight.
    """
    window, times = agent.window, agent.flights.times
    oldest = bisect_right(times, as_of_ms - FLIGHT_MS)
    ends = [window.times[window.first] + HOUR_MS] if window.stop > window.first else []
    if oldest < len(times):
        ends.append(times[oldest] + FLIGHT_MS)
    return min(ends, default=None)

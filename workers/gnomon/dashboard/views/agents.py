"""The page Agents: one agent's last hour, its tasks, and what was predicted beside what came."""

from typing import Final

import msgspec

from gnomon.dashboard.window import HOUR_MS
from gnomon.store.queries import FigureQueries, Model, Predicted, Tasks

MOST_AGENTS: Final = 100
MOST_TASKS: Final = 200
ENOUGH: Final = 30
"""Fewer tasks than this say nothing of an error or an interval, so only their number is shown."""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's tasks that ended in the last hour of a period."""

    tasks: int
    finished: int
    success_rate: float | None
    mean_duration_s: float | None


class AgentPage(msgspec.Struct, frozen=True, kw_only=True):
    """One agent in a period; ``last_ms`` is the end of its last task of all times."""

    hour: Hour
    tasks: int
    predicted: list[Predicted]
    models: list[Model]
    last_ms: int | None


def agents(figures: FigureQueries, *, since_ms: int, until_ms: int) -> list[Tasks]:
    """Return the agents with the most tasks in a period."""
    return figures.agents(since_ms=since_ms, until_ms=until_ms, most=MOST_AGENTS)


def agent_page(figures: FigureQueries, agent: str, *, since_ms: int, until_ms: int) -> AgentPage:
    """Return one agent in a period."""
    of_all = figures.tasks_over_time(
        agent=agent, since_ms=since_ms, until_ms=until_ms, bucket_ms=24 * HOUR_MS
    )
    hour = figures.tasks_over_time(
        agent=agent, since_ms=max(since_ms, until_ms - HOUR_MS), until_ms=until_ms
    )
    return AgentPage(
        hour=_hour(hour),
        tasks=sum(each.tasks for each in of_all),
        predicted=figures.predicted(
            agent=agent, since_ms=since_ms, until_ms=until_ms, most=MOST_TASKS
        ),
        models=figures.models(agent=agent, since_ms=since_ms, until_ms=until_ms),
        last_ms=figures.last_ms(agent=agent),
    )


def _hour(buckets: list[Tasks]) -> Hour:
    matched = sum(each.matched for each in buckets)
    total_s = sum(each.matched * (each.mean_duration_s or 0.0) for each in buckets)
    return Hour(
        tasks=sum(each.tasks for each in buckets),
        finished=matched,
        success_rate=sum(each.succeeded for each in buckets) / matched if matched else None,
        mean_duration_s=total_s / matched if matched else None,
    )

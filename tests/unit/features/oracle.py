"""The definitions, read off one by one, over lists of everything that was ever read."""

import statistics
from dataclasses import dataclass, field

import pytest

from gnomon.events import TaskCancelled, TaskEvent, TaskFeatures, TaskFinished, TaskStarted

HOUR = 3_600_000
DAY = 86_400_000


@dataclass
class _Finish:
    event: TaskFinished
    late: bool


@dataclass
class _Agent:
    newest: int
    finishes: list[_Finish] = field(default_factory=list)
    flights: dict[str, int] = field(default_factory=dict)
    ends: dict[str, tuple[int, bool]] = field(default_factory=dict)


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _summary(runs: list[TaskFinished]) -> tuple[int, float | None, float | None]:
    runs = runs[-20:]
    return (
        len(runs),
        _mean([r.duration_s for r in runs]),
        _mean([float(r.succeeded) for r in runs]),
    )


class Oracle:
    """Slow and plain: no sorting, no running sums, nothing is ever dropped."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.seen_from: int | None = None
        self.agents: dict[str, _Agent] = {}

    def read(self, event: TaskEvent) -> dict[str, float | None] | None:
        """Take one event in; return what its vector must be, if it leads to one."""
        at = {
            TaskStarted: "started_at_ms",
            TaskFinished: "finished_at_ms",
            TaskCancelled: "cancelled_at_ms",
        }[type(event)]
        time = getattr(event, at)
        if self.seen_from is None:
            self.seen_from = time
        agent = self.agents.setdefault(event.agent_id, _Agent(time))
        agent.newest = max(agent.newest, time)
        kept = agent.newest - HOUR - self.lateness
        end = agent.ends.get(event.task_id)
        ended = end is not None and end[0] > kept
        if isinstance(event, TaskStarted):
            flight = agent.flights.get(event.task_id)
            if ended or (flight is not None and flight > agent.newest - DAY - self.lateness):
                return None
            vector = self._vector(agent, event, kept)
            agent.flights[event.task_id] = time
            return vector
        if isinstance(event, TaskCancelled):
            agent.flights.pop(event.task_id, None)
            if not ended:
                agent.ends[event.task_id] = (time, False)
        elif not (ended and end is not None and end[1]):
            agent.flights.pop(event.task_id, None)
            agent.finishes.append(_Finish(event, time < agent.newest - self.lateness))
            if time > kept:
                agent.ends[event.task_id] = (time, True)
        return None

    def counts(self, agent_id: str, now: int) -> tuple[int, int]:
        """Finishes in the hour before ``now`` and tasks in flight, ``now`` not before the newest."""
        agent = self.agents[agent_id]
        return (
            sum(now - HOUR < f.event.finished_at_ms <= now and not f.late for f in agent.finishes),
            sum(now - DAY < started_at <= now for started_at in agent.flights.values()),
        )

    def _vector(self, agent: _Agent, event: TaskStarted, kept: int) -> dict[str, float | None]:
        t = event.started_at_ms
        assert self.seen_from is not None
        hour = [f for f in agent.finishes if max(t - HOUR, kept) < f.event.finished_at_ms <= t]
        ok = [f.event for f in hour if not f.late]
        ever = [f.event for f in agent.finishes]
        times = [f.finished_at_ms for f in ever]
        recent = [f for f in times if kept < f <= t]
        old = [max([f for f in times if f <= kept], default=t + 1)]
        finish = max(recent) if recent else next((f for f in old if f <= t), None)
        flights_from = max(t, agent.newest - self.lateness) - DAY
        same = _summary([f for f in ever if f.task_type == event.task_type])
        overall = _summary(ever)
        return {
            "tasks_completed_1h": len(ok),
            "avg_execution_time_1h": _mean([f.duration_s for f in ok]),
            "success_rate_1h": _mean([float(f.succeeded) for f in ok]),
            "code_review_iterations": _mean(
                [float(r) for f in ok if (r := f.code_review_iterations) is not None]
            ),
            "median_execution_time_1h": (
                statistics.median([f.duration_s for f in ok]) if ok else None
            ),
            "deployment_success_rate_1h": _mean(
                [float(d) for f in ok if (d := f.deployment_succeeded) is not None]
            ),
            "tasks_in_flight": sum(flights_from < s <= t for s in agent.flights.values()),
            "seconds_since_last_finish": None if finish is None else (t - finish) / 1000,
            "same_type_runs": same[0],
            "same_type_avg_execution_time": same[1],
            "same_type_success_rate": same[2],
            "agent_runs": overall[0],
            "agent_avg_execution_time": overall[1],
            "agent_success_rate": overall[2],
            "hour_seen": min(1.0, max(0.0, (t - max(self.seen_from, kept)) / HOUR)),
            "late_dropped": len(hour) - len(ok),
        }


def flat(vector: TaskFeatures) -> dict[str, float | None]:
    """The vector as the oracle writes it."""
    return {
        name: getattr(part, name)
        for part in (vector.features, vector.completeness)
        for name in part.__struct_fields__
    }


def near(vector: dict[str, float | None]) -> dict[str, object]:
    """``vector`` as what to compare with: to 1e-9, ``None`` only with ``None``."""
    return {
        name: value if value is None else pytest.approx(value, abs=1e-9, rel=1e-12)
        for name, value in vector.items()
    }

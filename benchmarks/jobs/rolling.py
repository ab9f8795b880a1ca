"""The rolling hour as one would write it by hand: exact, per agent, from what was read before."""

from bisect import insort
from typing import Any

HOUR_MS = 3_600_000
GRACE_MS = 10_000
"""Rows are kept so much longer: a start may be that much older than the newest one."""
REST = {
    "median_execution_time_1h": 148.4135,
    "deployment_success_rate_1h": None,
    "tasks_in_flight": 3,
    "seconds_since_last_finish": 11.742,
    "same_type_runs": 20,
    "same_type_avg_execution_time": 187.22716666666668,
    "same_type_success_rate": 0.75,
    "agent_runs": 20,
    "agent_avg_execution_time": 187.22716666666668,
    "agent_success_rate": 0.75,
}
"""The figures that only gnomon computes, so that all write records of the same fields."""


class Rolling:
    """One agent's finished tasks of the last hour, and their sums."""

    __slots__ = ("duration_s", "newest_ms", "reviews", "rows", "successes")

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, bool, int]] = []
        self.duration_s, self.successes, self.reviews = 0.0, 0, 0
        self.newest_ms = 0

    def finish(self, at_ms: int, duration_s: float, succeeded: bool, reviews: int) -> None:
        insort(self.rows, (at_ms, duration_s, succeeded, reviews))
        self.duration_s += duration_s
        self.successes += succeeded
        self.reviews += reviews

    def features(self, at_ms: int) -> dict[str, object]:
        """Over the rows of (at - 1 h, at]: the sums of all rows, less the few outside of it."""
        self._forget(max(self.newest_ms, at_ms))
        rows, n = self.rows, len(self.rows)
        duration_s, successes, reviews = self.duration_s, self.successes, self.reviews
        first = 0
        while first < n and rows[first][0] <= at_ms - HOUR_MS:
            first += 1
        last = n
        while last > first and rows[last - 1][0] > at_ms:
            last -= 1
        for row in (*rows[:first], *rows[last:]):
            duration_s -= row[1]
            successes -= row[2]
            reviews -= row[3]
        n = last - first
        return {
            "tasks_completed_1h": n,
            "avg_execution_time_1h": duration_s / n if n else None,
            "success_rate_1h": successes / n if n else None,
            "code_review_iterations": reviews / n if n else None,
        }

    def _forget(self, newest_ms: int) -> None:
        rows, old = self.rows, 0
        self.newest_ms = newest_ms
        while old < len(rows) and rows[old][0] <= newest_ms - HOUR_MS - GRACE_MS:
            _, duration_s, succeeded, reviews = rows[old]
            self.duration_s -= duration_s
            self.successes -= succeeded
            self.reviews -= reviews
            old += 1
        del rows[:old]


def step(rolling: Rolling, event: dict[str, Any]) -> dict[str, Any] | None:
    """Fold one event; the record to write if it was a start."""
    if event["kind"] == "task_finished.v1":
        rolling.finish(
            event["finished_at_ms"],
            event["duration_s"],
            event["succeeded"],
            event["code_review_iterations"],
        )
        return None
    at_ms = event["started_at_ms"]
    return {
        "agent_id": event["agent_id"],
        "task_id": event["task_id"],
        "task_type": event["task_type"],
        "started_at_ms": at_ms,
        "features": {**rolling.features(at_ms), **REST},
        "completeness": {"hour_seen": 1.0, "late_dropped": 0},
    }

"""Features of an agent in hand-written Python: exact, computed from the events read before."""

import os
from bisect import bisect_left, insort
from collections import deque
from typing import Any

HOUR_MS = 3_600_000
GRACE_MS = 10_000
"""Rows are kept this much longer, because a start may be this much older than the newest one."""
LAST_RUNS = 20
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
"""Value of the features that ``Rolling`` does not compute, so that all write the same fields."""

Event = dict[str, Any]
Row = tuple[int, float, bool, int]
"""End of a task, its duration, whether it succeeded, and its review iterations."""


class Rolling:
    """Finished tasks of one agent in the last hour, and their sums: the four features of the hour."""

    __slots__ = ("duration_s", "newest_ms", "reviews", "rows", "successes")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.duration_s, self.successes, self.reviews = 0.0, 0, 0
        self.newest_ms = 0

    def finish(self, event: Event) -> None:
        duration_s, succeeded = event["duration_s"], event["succeeded"]
        reviews = event["code_review_iterations"]
        insort(self.rows, (event["finished_at_ms"], duration_s, succeeded, reviews))
        self.duration_s += duration_s
        self.successes += succeeded
        self.reviews += reviews

    def start(self, event: Event) -> dict[str, object]:
        return {**self.hour(event["started_at_ms"])[0], **REST}

    def hour(self, at_ms: int) -> tuple[dict[str, object], list[float]]:
        """Compute over the rows of (at - 1 h, at], from the sums of all rows minus the few outside.

        Also return the durations of those few.
        """
        self.newest_ms = max(self.newest_ms, at_ms)
        self._forget(self.newest_ms - HOUR_MS - GRACE_MS)
        rows, n = self.rows, len(self.rows)
        duration_s, successes, reviews = self.duration_s, self.successes, self.reviews
        first = 0
        while first < n and rows[first][0] <= at_ms - HOUR_MS:
            first += 1
        last = n
        while last > first and rows[last - 1][0] > at_ms:
            last -= 1
        outside = (*rows[:first], *rows[last:])
        for row in outside:
            duration_s -= row[1]
            successes -= row[2]
            reviews -= row[3]
        n = last - first
        figures: dict[str, object] = {
            "tasks_completed_1h": n,
            "avg_execution_time_1h": duration_s / n if n else None,
            "success_rate_1h": successes / n if n else None,
            "code_review_iterations": reviews / n if n else None,
        }
        return figures, [row[1] for row in outside]

    def _forget(self, until_ms: int) -> None:
        rows, old = self.rows, 0
        while old < len(rows) and rows[old][0] <= until_ms:
            _, duration_s, succeeded, reviews = rows[old]
            self.forgotten(rows[old])
            self.duration_s -= duration_s
            self.successes -= succeeded
            self.reviews -= reviews
            old += 1
        del rows[:old]

    def forgotten(self, row: Row) -> None:
        """Update the sums when a row is dropped."""

    def dump(self) -> list[Any]:
        """Return the whole state as values that JSON can encode."""
        return [self.rows, self.duration_s, self.successes, self.reviews, self.newest_ms]

    def load(self, dumped: list[Any] | None) -> None:
        """Restore the state that ``dump`` returned."""
        if dumped is not None:
            rows, self.duration_s, self.successes, self.reviews, self.newest_ms = dumped
            self.rows = [tuple(row) for row in rows]


class Whole(Rolling):
    """All features that gnomon's features stage writes."""

    __slots__ = ("durations", "last_ms", "runs", "runs_by_type", "started")

    def __init__(self) -> None:
        super().__init__()
        self.durations: list[float] = []
        self.started: dict[str, int] = {}
        self.runs: deque[tuple[float, bool]] = deque(maxlen=LAST_RUNS)
        self.runs_by_type: dict[str, deque[tuple[float, bool]]] = {}
        self.last_ms = -1

    def finish(self, event: Event) -> None:
        super().finish(event)
        run = event["duration_s"], event["succeeded"]
        insort(self.durations, run[0])
        self.started.pop(event["task_id"], None)
        self.runs.append(run)
        of_type = self.runs_by_type.setdefault(event["task_type"], deque(maxlen=LAST_RUNS))
        of_type.append(run)

    def start(self, event: Event) -> dict[str, object]:
        at_ms = event["started_at_ms"]
        figures, outside_s = self.hour(at_ms)
        last_ms = self._last_finish_ms(at_ms)
        in_flight = sum(started_ms <= at_ms for started_ms in self.started.values())
        self.started[event["task_id"]] = at_ms
        type_runs, type_mean_s, type_success = averages(self.runs_by_type.get(event["task_type"]))
        runs, mean_s, success = averages(self.runs)
        return {
            **figures,
            "median_execution_time_1h": self._median_s(outside_s),
            "deployment_success_rate_1h": None,
            "tasks_in_flight": in_flight,
            "seconds_since_last_finish": (at_ms - last_ms) / 1000 if last_ms >= 0 else None,
            "same_type_runs": type_runs,
            "same_type_avg_execution_time": type_mean_s,
            "same_type_success_rate": type_success,
            "agent_runs": runs,
            "agent_avg_execution_time": mean_s,
            "agent_success_rate": success,
        }

    def forgotten(self, row: Row) -> None:
        self.last_ms, duration_s = row[:2]
        del self.durations[bisect_left(self.durations, duration_s)]

    def dump(self) -> list[Any]:
        by_type = {name: list(runs) for name, runs in self.runs_by_type.items()}
        return [super().dump(), self.started, list(self.runs), by_type, self.last_ms]

    def load(self, dumped: list[Any] | None) -> None:
        if dumped is not None:
            hour, self.started, runs, by_type, self.last_ms = dumped
            super().load(hour)
            self.durations = sorted(row[1] for row in self.rows)
            self.runs = deque(runs, maxlen=LAST_RUNS)
            self.runs_by_type = {t: deque(runs, maxlen=LAST_RUNS) for t, runs in by_type.items()}

    def _last_finish_ms(self, at_ms: int) -> int:
        at = bisect_left(self.rows, (at_ms + 1,))
        return self.rows[at - 1][0] if at else self.last_ms

    def _median_s(self, outside_s: list[float]) -> float | None:
        durations = self.durations
        if outside_s:
            durations = durations.copy()
            for duration_s in outside_s:
                del durations[bisect_left(durations, duration_s)]
        if not durations:
            return None
        half = len(durations) // 2
        if len(durations) % 2:
            return durations[half]
        return (durations[half - 1] + durations[half]) / 2


def averages(
    runs: deque[tuple[float, bool]] | None,
) -> tuple[int, float | None, float | None]:
    """Return the number of runs, their mean duration in seconds and their success rate."""
    if not runs:
        return 0, None, None
    n = len(runs)
    return n, sum(run[0] for run in runs) / n, sum(run[1] for run in runs) / n


def step(rolling: Rolling, event: Event) -> dict[str, Any] | None:
    """Process one event; return the record to write if it was a start."""
    if event["kind"] == "task_finished.v1":
        rolling.finish(event)
        return None
    return {
        "agent_id": event["agent_id"],
        "task_id": event["task_id"],
        "task_type": event["task_type"],
        "started_at_ms": event["started_at_ms"],
        "features": rolling.start(event),
        "completeness": {"hour_seen": 1.0, "late_dropped": 0},
    }


def begin() -> Rolling:
    """Return an agent of which nothing is known, of the kind that the benchmark selects."""
    return Whole() if os.environ["FIGURES"] == "all" else Rolling()

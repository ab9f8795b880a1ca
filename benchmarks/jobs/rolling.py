"""The rolling hour as one would write it by hand: exact, per agent, in the order of arrival."""

from bisect import insort

HOUR_MS = 3_600_000


class Rolling:
    """One agent's finished tasks of the last hour, and their sums."""

    __slots__ = ("duration_s", "reviews", "rows", "successes")

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, bool, int]] = []
        self.duration_s, self.successes, self.reviews = 0.0, 0, 0

    def finish(self, at_ms: int, duration_s: float, succeeded: bool, reviews: int) -> None:
        insort(self.rows, (at_ms, duration_s, succeeded, reviews))
        self.duration_s += duration_s
        self.successes += succeeded
        self.reviews += reviews

    def features(self, at_ms: int) -> dict[str, object]:
        rows, old = self.rows, 0
        while old < len(rows) and rows[old][0] <= at_ms - HOUR_MS:
            _, duration_s, succeeded, reviews = rows[old]
            self.duration_s -= duration_s
            self.successes -= succeeded
            self.reviews -= reviews
            old += 1
        del rows[:old]
        n = len(rows)
        return {
            "tasks_completed_1h": n,
            "avg_execution_time_1h": self.duration_s / n if n else None,
            "success_rate_1h": self.successes / n if n else None,
            "code_review_iterations": self.reviews / n if n else None,
        }


def step(rolling: Rolling, event: dict) -> dict | None:
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
        "features": rolling.features(at_ms),
    }

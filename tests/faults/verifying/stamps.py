"""Checks that a feature vector that lacks records which were lost unread never claims to be complete.

The expected values are those of a log in which nothing was lost, so they do not depend on how a stage
goes on after a hole.
"""

from typing import Any, Final

import duckdb
from tests.faults.verifying.tables import expect_without_holes

_OF_THE_HOUR: Final = (
    "tasks_completed_1h", "avg_execution_time_1h", "success_rate_1h", "code_review_iterations",
    "median_execution_time_1h", "deployment_success_rate_1h", "late_dropped",
)  # fmt: skip


def lacking(db: duckdb.DuckDBPyConnection) -> tuple[int, list[Any]]:
    """Return how many vectors lack something in the hour before, and those that claim to be complete.

    Starts that are the first of their task only because the first was lost are other tasks here, and left
    out. To be called after all other checks.
    """
    if not db.execute("SELECT count(*) FROM hole").fetchall()[0][0]:
        return 0, []
    expect_without_holes(db, "whole")
    differ = " OR ".join(
        f"(a.{name} IS NULL) <> (w.{name} IS NULL)"
        f" OR abs(a.{name} - w.{name}) > 1e-9 * greatest(1, abs(w.{name}))"
        for name in _OF_THE_HOUR
    )
    rows = db.execute(
        "SELECT agent_id, task_id, a.hour_seen FROM main.actual_task_features a"  # noqa: S608
        " JOIN main.expected_features e USING (agent_id, task_id)"
        " JOIN whole.expected_features w USING (agent_id, task_id)"
        f' WHERE e."offset" = w."offset" AND ({differ})'
    ).fetchall()
    return len(rows), [row for row in rows if row[2] >= 1.0]

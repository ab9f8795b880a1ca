"""What is compared in each output topic: the path of each column, and the table with expected values."""

from collections.abc import Mapping
from dataclasses import dataclass

Column = tuple[str, str]
"""Path in the record's JSON and SQL type. A ``DOUBLE`` is compared to within 1e-9."""

_TASK: dict[str, Column] = {
    "agent_id": ("$.agent_id", "VARCHAR"),
    "task_id": ("$.task_id", "VARCHAR"),
    "started_at_ms": ("$.started_at_ms", "BIGINT"),
}
_VECTOR: dict[str, Column] = {
    "tasks_completed_1h": ("$.features.tasks_completed_1h", "BIGINT"),
    "avg_execution_time_1h": ("$.features.avg_execution_time_1h", "DOUBLE"),
    "success_rate_1h": ("$.features.success_rate_1h", "DOUBLE"),
    "code_review_iterations": ("$.features.code_review_iterations", "DOUBLE"),
    "median_execution_time_1h": ("$.features.median_execution_time_1h", "DOUBLE"),
    "deployment_success_rate_1h": ("$.features.deployment_success_rate_1h", "DOUBLE"),
    "tasks_in_flight": ("$.features.tasks_in_flight", "BIGINT"),
    "seconds_since_last_finish": ("$.features.seconds_since_last_finish", "DOUBLE"),
    "same_type_runs": ("$.features.same_type_runs", "BIGINT"),
    "same_type_avg_execution_time": ("$.features.same_type_avg_execution_time", "DOUBLE"),
    "same_type_success_rate": ("$.features.same_type_success_rate", "DOUBLE"),
    "agent_runs": ("$.features.agent_runs", "BIGINT"),
    "agent_avg_execution_time": ("$.features.agent_avg_execution_time", "DOUBLE"),
    "agent_success_rate": ("$.features.agent_success_rate", "DOUBLE"),
    "hour_seen": ("$.completeness.hour_seen", "DOUBLE"),
    "late_dropped": ("$.completeness.late_dropped", "BIGINT"),
    "estimate_s": ("$.estimate_s", "DOUBLE"),
    "task_type": ("$.task_type", "VARCHAR"),
}
_SEALED: dict[str, Column] = {
    "decision_id": ("$.decision_id", "VARCHAR"),
    "status": ("$.status", "VARCHAR"),
    "started_at_ms": ("$.started_at_ms", "BIGINT"),
    "at_ms": ("$.ended_at_ms", "BIGINT"),
    "opened": ("$.opened", "VARCHAR"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One file of records against one table of the oracle, by ``key``.

    ``last`` compares only the last record of each key: the topic is compacted.
    """

    name: str
    expected: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    last: bool = False
    co_partitioned: bool = True


CHECKS = (
    Check(
        name="task-features",
        expected="expected_features",
        key=("agent_id", "task_id"),
        columns=_TASK | _VECTOR,
    ),
    Check(
        name="agent-features",
        expected="expected_agents",
        key=("agent_id",),
        columns={
            "agent_id": ("$.agent_id", "VARCHAR"),
            "as_of_ms": ("$.as_of_ms", "BIGINT"),
            "tasks_completed_1h": ("$.tasks_completed_1h", "BIGINT"),
            "avg_execution_time_1h": ("$.avg_execution_time_1h", "DOUBLE"),
            "success_rate_1h": ("$.success_rate_1h", "DOUBLE"),
            "code_review_iterations": ("$.code_review_iterations", "DOUBLE"),
            "median_execution_time_1h": ("$.median_execution_time_1h", "DOUBLE"),
            "deployment_success_rate_1h": ("$.deployment_success_rate_1h", "DOUBLE"),
            "tasks_in_flight": ("$.tasks_in_flight", "BIGINT"),
            "last_finished_at_ms": ("$.last_finished_at_ms", "BIGINT"),
            "hour_seen": ("$.completeness.hour_seen", "DOUBLE"),
            "late_dropped": ("$.completeness.late_dropped", "BIGINT"),
        },
        last=True,
    ),
    Check(
        name="client-stats",
        expected="expected_clients",
        key=("producer_id", "seen_partition"),
        columns={
            "producer_id": ("$.producer_id", "VARCHAR"),
            "seen_partition": ("$.partition", "INTEGER"),
            "received": ("$.received", "BIGINT"),
            "repeated": ("$.repeated", "BIGINT"),
            "last_seq": ("$.last_seq", "BIGINT"),
        },
        last=True,
    ),
    Check(
        name="shadow-predictions",
        expected="expected_predictions",
        key=("agent_id", "task_id", "model", "version"),
        columns=_TASK
        | {
            "model": ("$.model", "VARCHAR"),
            "version": ("$.version", "VARCHAR"),
            "predictors": ("$.predictors", "BIGINT"),
            "duration_s": ("$.duration_s", "DOUBLE"),
            "success_probability": ("$.success_probability", "DOUBLE"),
        },
    ),
    Check(
        name="comparisons",
        expected="expected_named_comparisons",
        key=("agent_id", "task_id"),
        columns=_TASK
        | _VECTOR
        | {
            "decision_id": ("$.decision_id", "VARCHAR"),
            "status": ("$.outcome.status", "VARCHAR"),
            "at_ms": ("$.outcome.at_ms", "BIGINT"),
            "duration_s": ("$.outcome.duration_s", "DOUBLE"),
            "succeeded": ("$.outcome.succeeded", "BOOLEAN"),
            "reviews": ("$.outcome.code_review_iterations", "BIGINT"),
            "deployed": ("$.outcome.deployment_succeeded", "BOOLEAN"),
            "error_type": ("$.outcome.error_type", "VARCHAR"),
            "predictions": ("$.predictions", "ITEMS"),
            "control_duration_s": ("$.predictions[0].duration_s", "DOUBLE"),
            "control_success_probability": ("$.predictions[0].success_probability", "DOUBLE"),
        },
    ),
    Check(
        name="decisions",
        expected="expected_sealed",
        key=("decision_id",),
        columns=_SEALED,
    ),
    Check(
        name="store",
        expected="expected_sealed",
        key=("decision_id",),
        columns=_SEALED,
        co_partitioned=False,
    ),
    Check(
        name="dead-letters",
        expected="expected_dead",
        key=("source_topic", "source_partition", "source_offset", "life"),
        columns={
            "source_topic": ("$.topic", "VARCHAR"),
            "source_partition": ("$.partition", "INTEGER"),
            "source_offset": ("$.offset", "BIGINT"),
            "life": ("$.life", "INTEGER"),
            "stage": ("$.stage", "VARCHAR"),
            "reason": ("$.reason", "VARCHAR"),
            "key": ("$.key", "VARCHAR"),
            "raw": ("$.raw", "VARCHAR"),
        },
    ),
)

"""Tables of numbers: tasks, predictions, metrics, the ledger and verdicts over time; and holds.

On PostgreSQL, tasks and predictions are partitioned by the month of their end. What is in no month's
partition is in the default partition.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}
_BY_END: dict[str, Any] = {**_CLUSTERED, "postgresql_partition_by": "RANGE (ended_at_ms)"}


def _key(name: str, of: type[sa.types.TypeEngine[Any]] = sa.String) -> sa.Column[Any]:
    return sa.Column(name, of(), primary_key=True, autoincrement=False)


def _some(of: type[sa.types.TypeEngine[Any]], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, of(), nullable=False) for name in names]


def _maybe(of: type[sa.types.TypeEngine[Any]], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, of(), nullable=True) for name in names]


def upgrade() -> None:
    """Create the tables."""
    _create_figures()
    _create_sums()
    _create_verdicts()
    op.create_table(
        "gnomon_holds",
        _key("id"),
        *_some(sa.String, "scope", "reason", "made_by"),
        *_some(sa.BigInteger, "made_at_ms", "until_ms"),
    )


def _create_figures() -> None:
    op.create_table(
        "gnomon_tasks",
        _key("ended_at_ms", sa.BigInteger),
        _key("decision_id"),
        *_some(sa.String, "scope", "agent", "task_type", "status"),
        *_some(sa.BigInteger, "started_at_ms"),
        *_maybe(sa.Double, "duration_s"),
        *_maybe(sa.Boolean, "succeeded"),
        *_maybe(sa.Double, "estimate_s", "completeness", "control_s", "same_type_s", "type_s"),
        *_maybe(sa.Double, "control_success", "same_type_success", "type_success"),
        **_BY_END,
    )
    op.create_index("gnomon_tasks_by_agent", "gnomon_tasks", ["agent", "ended_at_ms"])
    op.create_table(
        "gnomon_predictions",
        _key("ended_at_ms", sa.BigInteger),
        _key("decision_id"),
        _key("model"),
        _key("version"),
        *_some(sa.String, "scope", "agent", "task_type", "status"),
        *_some(sa.BigInteger, "started_at_ms", "hour"),
        *_maybe(sa.Double, "duration_s"),
        *_maybe(sa.Boolean, "succeeded"),
        *_maybe(sa.Double, "predicted_s", "success_probability"),
        *_maybe(sa.Double, "low_80_s", "high_80_s", "low_90_s", "high_90_s"),
        *_maybe(sa.Double, "control_s", "same_type_s", "type_s"),
        *_maybe(sa.Double, "error_s", "control_error_s", "loss", "control_loss"),
        *_maybe(sa.Double, "brier", "control_brier"),
        **_BY_END,
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("gnomon_tasks", "gnomon_predictions"):
            op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")


def _create_sums() -> None:
    op.create_table(
        "gnomon_metrics",
        *(_key(name) for name in ("model", "version", "period")),
        *(_key(name, sa.BigInteger) for name in ("partition", "hour")),
        *_some(sa.BigInteger, "at_ms", "n", "n_success", "n_paired", "n_success_paired"),
        *_some(sa.BigInteger, "expired", "within_25_sum", "correct_sum", "control_correct_sum"),
        *_some(sa.BigInteger, "brier_ppm_sum", "absolute_error_us_sum"),
        *_some(sa.BigInteger, "paired_absolute_error_us_sum", "control_absolute_error_us_sum"),
        *_some(sa.BigInteger, "n_80", "covered_80_sum", "width_80_us_sum"),
        *_some(sa.BigInteger, "n_90", "covered_90_sum", "width_90_us_sum"),
        *_maybe(sa.String, "strongest", "verdict", "blocked_by"),
        **_CLUSTERED,
    )
    op.create_table(
        "gnomon_ledger",
        *(_key(name, sa.BigInteger) for name in ("partition", "hour")),
        *_some(sa.BigInteger, "at_ms", "predictions", "matched", "pending", "expired"),
        *_some(sa.BigInteger, "cancelled", "duplicate", "late", "orphan", "shed"),
        *_some(sa.BigInteger, "incomplete", "unread"),
        **_CLUSTERED,
    )


def _create_verdicts() -> None:
    of_verdict = ("settings_sha256", "model", "version")
    op.create_table(
        "gnomon_verdicts",
        *(_key(name) for name in of_verdict),
        _key("hour", sa.BigInteger),
        *_some(sa.BigInteger, "at_ms"),
        *_some(sa.String, "word", "blocked_by"),
        *_some(sa.BigInteger, "decisions", "blocks", "active_hours", "agents", "immature"),
        *_some(sa.BigInteger, "expired", "cancelled", "harmed_agents"),
        *_maybe(sa.Double, "improvement", "improvement_low", "improvement_high", "within_25"),
        *_maybe(sa.BigInteger, "decides_in_hours"),
        *_maybe(sa.String, "strongest"),
        **_CLUSTERED,
    )
    op.create_table(
        "gnomon_improvements",
        *(_key(name) for name in of_verdict),
        _key("hour", sa.BigInteger),
        _key("baseline"),
        _key("loss"),
        *_maybe(sa.Double, "estimate", "low", "high"),
        *_some(sa.BigInteger, "active_hours", "blocks"),
        **_CLUSTERED,
    )
    op.create_table(
        "gnomon_checklist",
        *(_key(name) for name in of_verdict),
        _key("hour", sa.BigInteger),
        _key("name"),
        *_some(sa.String, "status", "unit"),
        *_maybe(sa.Double, "figure", "needed"),
        **_CLUSTERED,
    )

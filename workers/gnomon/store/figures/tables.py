"""The tables of numbers, as the newest revision in ``migrations`` makes them; ``docs/store.md`` describes them."""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, String, Table
from sqlalchemy.types import TypeEngine

from gnomon.store.schema import METADATA


def _key(name: str, of: type[TypeEngine[Any]] = String) -> Column[Any]:
    return Column(name, of(), primary_key=True, autoincrement=False)


def _some(of: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, of(), nullable=False) for name in names]


def _maybe(of: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, of(), nullable=True) for name in names]


TASKS: Final = Table(
    "gnomon_tasks",
    METADATA,
    _key("ended_at_ms", BigInteger),
    _key("decision_id"),
    *_some(String, "scope", "agent", "task_type", "status"),
    *_some(BigInteger, "started_at_ms"),
    *_maybe(Double, "duration_s"),
    *_maybe(Boolean, "succeeded"),
    *_maybe(Double, "estimate_s", "completeness", "control_s", "same_type_s", "type_s"),
    *_maybe(Double, "control_success", "same_type_success", "type_success"),
    Index("gnomon_tasks_by_agent", "agent", "ended_at_ms"),
)
"""One row a decision."""

PREDICTIONS: Final = Table(
    "gnomon_predictions",
    METADATA,
    _key("ended_at_ms", BigInteger),
    _key("decision_id"),
    _key("model"),
    _key("version"),
    *_some(String, "scope", "agent", "task_type", "status"),
    *_some(BigInteger, "started_at_ms", "hour"),
    *_maybe(Double, "duration_s"),
    *_maybe(Boolean, "succeeded"),
    *_maybe(Double, "predicted_s", "success_probability"),
    *_maybe(Double, "low_80_s", "high_80_s", "low_90_s", "high_90_s"),
    *_maybe(Double, "control_s", "same_type_s", "type_s"),
    *_maybe(Double, "error_s", "control_error_s", "loss", "control_loss"),
    *_maybe(Double, "brier", "control_brier"),
)
"""One row a decision and model version that is no baseline."""

METRICS: Final = Table(
    "gnomon_metrics",
    METADATA,
    *(_key(name) for name in ("model", "version", "period")),
    *(_key(name, BigInteger) for name in ("partition", "hour")),
    *_some(BigInteger, "at_ms", "n", "n_success", "n_paired", "n_success_paired"),
    *_some(BigInteger, "expired", "within_25_sum", "correct_sum", "control_correct_sum"),
    *_some(BigInteger, "brier_ppm_sum", "absolute_error_us_sum"),
    *_some(BigInteger, "paired_absolute_error_us_sum", "control_absolute_error_us_sum"),
    *_some(BigInteger, "n_80", "covered_80_sum", "width_80_us_sum"),
    *_some(BigInteger, "n_90", "covered_90_sum", "width_90_us_sum"),
    *_maybe(String, "strongest", "verdict", "blocked_by"),
)
"""The last metrics of each hour, of one partition."""

LEDGER: Final = Table(
    "gnomon_ledger",
    METADATA,
    *(_key(name, BigInteger) for name in ("partition", "hour")),
    *_some(BigInteger, "at_ms", "predictions", "matched", "pending", "expired"),
    *_some(BigInteger, "cancelled", "duplicate", "late", "orphan", "shed"),
    *_some(BigInteger, "incomplete", "unread"),
)
"""The last ledger of each hour, of one partition."""

VERDICTS: Final = Table(
    "gnomon_verdicts",
    METADATA,
    *(_key(name) for name in ("settings_sha256", "model", "version")),
    _key("hour", BigInteger),
    *_some(BigInteger, "at_ms"),
    *_some(String, "word", "blocked_by"),
    *_some(BigInteger, "decisions", "blocks", "active_hours", "agents", "immature"),
    *_some(BigInteger, "expired", "cancelled", "harmed_agents"),
    *_maybe(Double, "improvement", "improvement_low", "improvement_high", "within_25"),
    *_maybe(BigInteger, "decides_in_hours"),
    *_maybe(String, "strongest"),
)
"""The last verdict of each hour."""

IMPROVEMENTS: Final = Table(
    "gnomon_improvements",
    METADATA,
    *(_key(name) for name in ("settings_sha256", "model", "version")),
    _key("hour", BigInteger),
    _key("baseline"),
    _key("loss"),
    *_maybe(Double, "estimate", "low", "high"),
    *_some(BigInteger, "active_hours", "blocks"),
)
"""The improvement over each baseline, by loss, at the last verdict of each hour."""

CHECKLIST: Final = Table(
    "gnomon_checklist",
    METADATA,
    *(_key(name) for name in ("settings_sha256", "model", "version")),
    _key("hour", BigInteger),
    _key("name"),
    *_some(String, "status", "unit"),
    *_maybe(Double, "figure", "needed"),
)
"""The lines of the checklist at the last verdict of each hour."""

HOLDS: Final = Table(
    "gnomon_holds",
    METADATA,
    _key("id"),
    *_some(String, "scope", "reason", "made_by"),
    *_some(BigInteger, "made_at_ms", "until_ms"),
)
"""Decisions that may not be deleted before a time."""

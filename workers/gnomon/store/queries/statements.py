"""The statements of the queries, for SQLite and PostgreSQL alike. ``docs/store.md`` describes the tables."""

from typing import Final

_TASKS: Final = """
    count(*) AS tasks,
    sum(CASE WHEN status = 'matched' THEN 1 ELSE 0 END) AS matched,
    sum(CASE WHEN status = 'expired' THEN 1 ELSE 0 END) AS expired,
    sum(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) AS cancelled,
    sum(CASE WHEN succeeded THEN 1 ELSE 0 END) AS succeeded,
    avg(duration_s) AS mean_duration_s,
    max(ended_at_ms) AS last_ms
FROM gnomon_tasks
WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms"""

_MODELS: Final = """
    model, version,
    count(error_s) AS n,
    count(CASE WHEN control_error_s IS NOT NULL THEN error_s END) AS n_paired,
    avg(error_s) AS mae_s,
    avg(loss) AS loss,
    avg(CASE WHEN control_error_s IS NOT NULL THEN error_s END) AS paired_mae_s,
    avg(CASE WHEN error_s IS NOT NULL THEN control_error_s END) AS control_mae_s,
    avg(CASE WHEN control_loss IS NOT NULL THEN loss END) AS paired_loss,
    avg(CASE WHEN loss IS NOT NULL THEN control_loss END) AS control_loss,
    avg(brier) AS brier,
    avg(CASE WHEN brier IS NOT NULL THEN control_brier END) AS control_brier,
    count(CASE WHEN duration_s IS NOT NULL THEN low_80_s END) AS n_80,
    avg(CASE WHEN duration_s IS NULL OR low_80_s IS NULL THEN NULL
             WHEN duration_s BETWEEN low_80_s AND high_80_s THEN CAST(1 AS DOUBLE PRECISION) ELSE 0 END) AS coverage_80,
    count(CASE WHEN duration_s IS NOT NULL THEN low_90_s END) AS n_90,
    avg(CASE WHEN duration_s IS NULL OR low_90_s IS NULL THEN NULL
             WHEN duration_s BETWEEN low_90_s AND high_90_s THEN CAST(1 AS DOUBLE PRECISION) ELSE 0 END) AS coverage_90,
    avg(high_80_s - low_80_s) AS mean_width_80_s,
    max(ended_at_ms) AS last_ms
FROM gnomon_predictions
WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms"""

_BUCKET: Final = "SELECT (ended_at_ms / :bucket_ms) * :bucket_ms AS bucket_ms,"
_ONE_AGENT: Final = " AND agent = :agent"
_ONE_MODEL: Final = " AND model = :model AND version = :version"

TASKS_OVER_TIME: Final = f"{_BUCKET}{_TASKS} GROUP BY 1 ORDER BY 1"
AGENT_OVER_TIME: Final = f"{_BUCKET}{_TASKS}{_ONE_AGENT} GROUP BY 1 ORDER BY 1"
AGENTS: Final = (
    f"SELECT agent AS name,{_TASKS} GROUP BY agent ORDER BY tasks DESC, agent LIMIT :most"
)
TASK_TYPES: Final = f"SELECT task_type AS name,{_TASKS} GROUP BY task_type ORDER BY tasks DESC, task_type LIMIT :most"
MODELS: Final = f"SELECT {_MODELS} GROUP BY model, version ORDER BY model, version"
MODELS_OF_AGENT: Final = (
    f"SELECT {_MODELS}{_ONE_AGENT} GROUP BY model, version ORDER BY model, version"
)
MODELS_OVER_TIME: Final = (
    f"{_BUCKET}{_MODELS} GROUP BY 1, model, version ORDER BY 1, model, version"
)

_PREDICTED: Final = (
    "decision_id, agent, task_type, status, model, version, started_at_ms, ended_at_ms, duration_s,"
    " succeeded, predicted_s, success_probability, low_80_s, high_80_s, control_s"
)
PREDICTED: Final = (
    f"SELECT {_PREDICTED} FROM gnomon_predictions"
    " WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms"
    " ORDER BY ended_at_ms DESC, decision_id DESC LIMIT :most"
)
PREDICTED_OF_AGENT: Final = (
    f"SELECT {', '.join(f'p.{name.strip()}' for name in _PREDICTED.split(','))}"
    " FROM (SELECT ended_at_ms, decision_id FROM gnomon_tasks WHERE agent = :agent"
    " AND ended_at_ms >= :since_ms AND ended_at_ms < :until_ms"
    " ORDER BY ended_at_ms DESC LIMIT :most) AS t"
    " JOIN gnomon_predictions AS p ON p.ended_at_ms = t.ended_at_ms AND p.decision_id = t.decision_id"
    " ORDER BY p.ended_at_ms DESC, p.decision_id DESC, p.model, p.version"
)
CALIBRATION: Final = f"""SELECT
    CASE WHEN success_probability >= 1 THEN 9 ELSE CAST(floor(success_probability * 10) AS INTEGER)
    END AS tenth,
    count(*) AS n,
    avg(success_probability) AS mean_probability,
    sum(CASE WHEN succeeded THEN 1 ELSE 0 END) AS succeeded
FROM gnomon_predictions
WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms{_ONE_MODEL}
    AND succeeded IS NOT NULL AND success_probability IS NOT NULL
GROUP BY 1 ORDER BY 1"""
RESIDUALS: Final = f"""SELECT
    floor(2 * ln(predicted_s / duration_s) / ln(2.0)) / 2.0 AS low,
    count(*) AS n
FROM gnomon_predictions
WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms{_ONE_MODEL}
    AND predicted_s > 0 AND duration_s > 0
GROUP BY 1 ORDER BY 1"""

SEEN_OVER_TIME: Final = f"""{_BUCKET}
    count(completeness) AS n,
    avg(completeness) AS mean_completeness,
    sum(CASE WHEN completeness < 1 THEN 1 ELSE 0 END) AS incomplete
FROM gnomon_tasks
WHERE ended_at_ms >= :since_ms AND ended_at_ms < :until_ms
GROUP BY 1 ORDER BY 1"""
LAST: Final = "SELECT max(ended_at_ms) AS last_ms FROM gnomon_tasks"
LAST_OF_AGENT: Final = f"{LAST} WHERE agent = :agent"
BY_STATUS: Final = (
    "SELECT scope, status, count(*) AS decisions, min(ended_at_ms) AS first_ms, max(ended_at_ms) AS last_ms"
    " FROM gnomon_tasks GROUP BY scope, status ORDER BY scope, status"
)
KEYS: Final = (
    "SELECT scope, state, count(*) AS keys, min(created_at_ms) AS oldest_ms, max(created_at_ms) AS newest_ms"
    " FROM gnomon_keys GROUP BY scope, state ORDER BY scope, state"
)
STORED: Final = "SELECT count(*) AS decisions, max(ended_at_ms) AS last_ms FROM gnomon_tasks"
VERDICTS: Final = (
    "SELECT * FROM gnomon_verdicts WHERE hour >= :since_hour AND hour < :until_hour"
    " ORDER BY hour, model, version"
)
LAST_VERDICTS: Final = (
    "SELECT v.* FROM gnomon_verdicts AS v JOIN (SELECT settings_sha256, model, version,"
    " max(hour) AS hour FROM gnomon_verdicts GROUP BY settings_sha256, model, version) AS last"
    " ON v.settings_sha256 = last.settings_sha256 AND v.model = last.model"
    " AND v.version = last.version AND v.hour = last.hour ORDER BY v.at_ms DESC, v.model, v.version"
)
IMPROVEMENTS: Final = (
    "SELECT * FROM gnomon_improvements WHERE model = :model AND version = :version"
    " AND hour >= :since_hour AND hour < :until_hour ORDER BY hour, baseline, loss"
)
CHECKLIST: Final = (
    "SELECT * FROM gnomon_checklist WHERE settings_sha256 = :settings_sha256 AND model = :model"
    " AND version = :version AND hour = :hour ORDER BY name"
)
LEDGER: Final = "SELECT * FROM gnomon_ledger WHERE hour < :until_hour ORDER BY hour, partition"
METRICS: Final = (
    "SELECT * FROM gnomon_metrics WHERE period = 'all' AND hour < :until_hour"
    " ORDER BY hour, partition, model, version"
)

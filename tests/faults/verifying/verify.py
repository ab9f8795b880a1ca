"""Compares the outputs of the workers with the outputs that SQL computes from the input.

Reads a folder of JSON lines, one file a topic, as ``dump.py`` leaves it. Shares no code with what
it verifies: the expected values come from ``oracle.sql``, run by DuckDB.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from tests.faults.verifying.checks import CHECKS, Check
from tests.faults.verifying.live_verdict import evidence_differences, switch_differences
from tests.faults.verifying.stamps import lacking
from tests.faults.verifying.tables import Spans, expect, load, set_spans

SAMPLES = 10
LEDGER = (
    "predictions", "matched", "pending", "expired", "cancelled", "duplicate", "late", "orphan",
    "shed", "incomplete", "unread",
)  # fmt: skip


@dataclass(slots=True)
class Findings:
    """Counts over all topics, with samples. ``records`` says how many were compared.

    ``lacking`` counts feature vectors that lack records which were lost unread.
    """

    missing: int = 0
    twice: int = 0
    wrong: int = 0
    lacking: int = 0
    ledger_exact: bool = False
    records: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    by_topic: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether there are no findings."""
        return not (self.missing or self.twice or self.wrong) and self.ledger_exact

    def add(self, kind: str, topic: str, count: int, rows: list[Any]) -> None:
        """Add ``count`` findings; ``rows`` are some of them."""
        if count:
            setattr(self, kind, getattr(self, kind) + count)
            of_topic = self.by_topic.setdefault(topic, {})
            of_topic[kind] = of_topic.get(kind, 0) + count
            samples = self.samples.setdefault(kind, [])
            samples.extend(f"{topic}: {row}" for row in rows[: SAMPLES - len(samples)])


def verify(folder: Path, spans: Spans) -> Findings:
    """Compare every topic in ``folder``.

    Raises:
        duckdb.Error: A file is missing or is no JSON lines.
    """
    findings = Findings()
    with duckdb.connect() as db:
        set_spans(db, spans)
        load(db, folder, "task-events", "log")
        for check in CHECKS:
            load(db, folder, check.name, f"raw_{_table(check)}")
            db.execute(_actual(check))
        load(db, folder, "comparison-metrics", "raw_metrics")
        db.execute(
            'CREATE TABLE asked AS SELECT agent_id, as_of_ms, "offset" AS told FROM actual_agent_features'
        )
        expect(db, folder)
        _name_decisions(db, folder)
        for check in CHECKS:
            _compare(db, check, findings)
        _check_ledger(db, findings)
        _check_figures(db, findings)
        findings.lacking, unstamped = lacking(db)
        findings.add("wrong", "completeness", len(unstamped), unstamped)
    _check_verdict(folder, findings)
    return findings


def _table(check: Check) -> str:
    return "actual_" + check.name.replace("-", "_")


def _actual(check: Check) -> str:
    """Return SQL that creates a table of the columns to compare."""
    columns = ", ".join(_extract(n, path, kind) for n, (path, kind) in check.columns.items())
    key = ", ".join(check.key)
    last = f'QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY "offset" DESC) = 1'
    return (
        f'CREATE TABLE {_table(check)} AS SELECT partition, "offset", {columns}'  # noqa: S608
        f" FROM raw_{_table(check)} {last if check.last else ''}"
    )


def _extract(name: str, path: str, kind: str) -> str:
    if kind == "ITEMS":
        return f"json_array_length(value, '{path}') AS {name}"
    return f"TRY_CAST(value ->> '{path}' AS {kind}) AS {name}"


def _name_decisions(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Add the ids of decisions, and the plaintext of sealed ones, to the expected values.

    An id is BLAKE2b-128 over each id's UTF-8 behind its length as four big-endian bytes.
    """
    named = folder / "decision-ids.jsonl"
    with named.open("w", encoding="utf-8") as file:
        rows = db.execute("SELECT DISTINCT agent_id, task_id FROM expected_comparisons").fetchall()
        for agent_id, task_id in rows:
            name = b"".join(
                len(raw).to_bytes(4, "big") + raw for raw in (agent_id.encode(), task_id.encode())
            )
            digest = hashlib.blake2b(name, digest_size=16).hexdigest()
            row = {"agent_id": agent_id, "task_id": task_id, "decision_id": digest}
            file.write(json.dumps(row) + "\n")
    db.execute(
        "CREATE TABLE named AS SELECT * FROM read_json(?, format = 'newline_delimited',"
        " columns = {agent_id: 'VARCHAR', task_id: 'VARCHAR', decision_id: 'VARCHAR'})",
        [str(named)],
    )
    db.execute("""
        CREATE TABLE expected_named_comparisons AS
        SELECT * FROM expected_comparisons JOIN named USING (agent_id, task_id);
        CREATE TABLE expected_sealed AS
        SELECT e.*, c.value::VARCHAR AS opened FROM expected_named_comparisons e
        LEFT JOIN (
            SELECT value ->> '$.decision_id' AS decision_id, any_value(value) AS value
            FROM raw_actual_comparisons GROUP BY ALL
        ) c USING (decision_id);
    """)


def _compare(db: duckdb.DuckDBPyConnection, check: Check, findings: Findings) -> None:
    """Count records that are missing, repeated, unexpected or different."""
    actual, expected, name = _table(check), check.expected, check.name
    key = ", ".join(check.key)
    findings.records[name] = _rows(db, f"SELECT count(*) FROM raw_{actual}")[0][0]  # noqa: S608

    def look(kind: str, query: str) -> None:
        rows = _rows(db, query)
        findings.add(kind, name, len(rows), rows)

    look("missing", f"SELECT {key} FROM {expected} ANTI JOIN {actual} USING ({key})")  # noqa: S608
    look(
        "wrong",
        f"SELECT {key}, 'not expected' FROM {actual} ANTI JOIN {expected} USING ({key})",  # noqa: S608
    )
    repeats = _rows(
        db,
        f"SELECT {key}, count(*) - 1 AS more FROM {actual} GROUP BY ALL HAVING more > 0",  # noqa: S608
    )
    findings.add("twice", name, sum(row[-1] for row in repeats), repeats)
    look("wrong", _differences(check))


def _differences(check: Check) -> str:
    """Return SQL for the keys whose records differ, with the columns and both values."""
    kinds = {name: kind for name, (_, kind) in check.columns.items() if name not in check.key}
    if check.co_partitioned:
        kinds["partition"] = "INTEGER"
    lines = ", ".join(
        f"CASE WHEN {_differs(name, kind)} THEN concat('{name}: expected ',"
        f" coalesce(e.{name}::VARCHAR, 'null'), ', found ', coalesce(a.{name}::VARCHAR, 'null'))"
        " END"
        for name, kind in kinds.items()
    )
    key = ", ".join(check.key)
    return (
        f"SELECT {key}, list_filter([{lines}], lambda x: x IS NOT NULL) AS differences"  # noqa: S608
        f" FROM {check.expected} e JOIN {_table(check)} a USING ({key})"
        " WHERE len(differences) > 0"
    )


def _differs(name: str, kind: str) -> str:
    if kind != "DOUBLE":
        return f"e.{name} IS DISTINCT FROM a.{name}"
    return (
        f"((e.{name} IS NULL) <> (a.{name} IS NULL)"
        f" OR abs(e.{name} - a.{name}) > 1e-9 * greatest(1, abs(e.{name})))"
    )


def _check_ledger(db: duckdb.DuckDBPyConnection, findings: Findings) -> None:
    """Check the identity in each ledger, and the sums of the last ledger of each partition."""
    sums = ", ".join(f"coalesce(sum((value ->> '$.{n}')::BIGINT), 0)::BIGINT" for n in LEDGER)
    last = """(SELECT value FROM raw_metrics WHERE value ->> '$.kind' = 'ledger.v1'
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY "offset" DESC) = 1)"""
    found = dict(zip(LEDGER, _rows(db, f"SELECT {sums} FROM {last}")[0], strict=True))  # noqa: S608
    names = ", ".join(LEDGER)
    wanted = dict(
        zip(LEDGER, _rows(db, f"SELECT {names} FROM expected_ledger")[0], strict=True)  # noqa: S608
    )
    parts = ["predictions", "matched", "pending", "expired", "cancelled"]
    n, *rest = (f"(value ->> '$.{part}')::BIGINT" for part in parts)
    broken = _rows(
        db,
        "SELECT value FROM raw_metrics WHERE value ->> '$.kind' = 'ledger.v1'"  # noqa: S608
        f" AND {n} <> {' + '.join(rest)}",
    )
    findings.ledger = found
    findings.ledger_exact = found == wanted and not broken
    if found != wanted:
        findings.samples["ledger"] = [f"expected {wanted}, found {found}"]
    if broken:
        findings.samples["ledger_identity"] = [str(row) for row in broken[:SAMPLES]]


def _check_verdict(folder: Path, findings: Findings) -> None:
    """Check the sums of the live verdict and the switches, where the topics they follow from are right."""
    for topic, differences, sources in (
        ("verdict-evidence", evidence_differences, {"comparisons"}),
        ("model-switches", switch_differences, {"task-features", "shadow-predictions"}),
    ):
        with (folder / f"{topic}.jsonl").open("rb") as file:
            findings.records[topic] = sum(1 for _ in file)
        if not sources & findings.by_topic.keys():
            rows = differences(folder)
            findings.add("wrong", topic, len(rows), rows)


def _check_figures(db: duckdb.DuckDBPyConnection, findings: Findings) -> None:
    """Check the all-time metrics of the control, whose errors are whole microseconds for each task.

    The last metrics of a partition are of a life of the topic: of its last one with a matched task, or of a later
    one, in which they are zero.
    """
    different = _rows(
        db,
        """
        WITH found AS (
            SELECT partition, life, (value ->> '$.n')::BIGINT AS n,
                (value ->> '$.n_success')::BIGINT AS n_success,
                (value ->> '$.correct_sum')::BIGINT AS correct,
                (value ->> '$.absolute_error_us_sum')::BIGINT AS error_us
            FROM raw_metrics WHERE key LIKE 'control|0|all|all|p%'
            QUALIFY row_number() OVER (PARTITION BY key ORDER BY "offset" DESC) = 1
        ), expected AS (
            SELECT partition, life, count(duration_s - control_duration_s) AS n,
                count(control_success_probability) FILTER (succeeded IS NOT NULL) AS n_success,
                count(*) FILTER ((control_success_probability >= 0.5) = succeeded) AS correct,
                coalesce(sum(abs(duration_s - control_duration_s) * 1e6), 0) AS error_us
            FROM expected_comparisons WHERE status = 'matched' GROUP BY partition, life
            QUALIFY row_number() OVER (PARTITION BY partition ORDER BY life DESC) = 1
        )
        SELECT * FROM expected e FULL JOIN found f USING (partition)
        WHERE CASE WHEN e.life IS NULL OR f.life > e.life
            THEN f.n <> 0 OR f.n_success <> 0 OR f.correct <> 0 OR f.error_us <> 0
            ELSE f.life IS DISTINCT FROM e.life OR f.n IS DISTINCT FROM e.n
                OR f.n_success IS DISTINCT FROM e.n_success OR f.correct IS DISTINCT FROM e.correct
                OR abs(f.error_us - e.error_us) > e.n END
        """,
    )
    findings.records["comparison-metrics"] = _rows(db, "SELECT count(*) FROM raw_metrics")[0][0]
    findings.add("wrong", "comparison-metrics", len(different), different)


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return db.execute(query).fetchall()

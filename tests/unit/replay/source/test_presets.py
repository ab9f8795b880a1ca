"""Each preset reads the export of its system. ``docs/replay.md`` says how to make these.

The rows of ``mlflow-traces`` were written by MLflow 3.17.2 (``search_traces().to_json``); the other
rows have the fields that the documentation of their system lists.
"""

import json
import re
from pathlib import Path

import pytest
from tests.unit.replay.source.reading_files import CASES, read

from gnomon.replay.source import PRESETS, Export, read_export

DOCS = Path(__file__).parents[4] / "docs" / "replay.md"

Objects = list[dict[str, object]]

AIRFLOW: Objects = [
    {"dag_id": "nightly", "dag_run_id": "m1", "task_id": "sum", "map_index": -1, "try_number": 1,
     "start_date": "2026-03-02T08:00:00.5+00:00", "end_date": "2026-03-02T08:01:00.5+00:00",
     "duration": 60.0, "state": "up_for_retry", "operator": "PythonOperator", "queue": "default"},
    {"dag_id": "nightly", "dag_run_id": "m1", "task_id": "sum", "map_index": -1, "try_number": 2,
     "start_date": "2026-03-02T08:05:00Z", "end_date": "2026-03-02T08:05:30Z",
     "duration": 30.0, "state": "success", "operator": "PythonOperator", "queue": "default"},
    {"dag_id": "nightly", "dag_run_id": "m1", "task_id": "mail", "map_index": -1, "try_number": 0,
     "start_date": None, "end_date": None, "duration": None, "state": "upstream_failed"},
]  # fmt: skip
CELERY: Objects = [
    {"uuid": "u1", "name": "app.summarise", "state": "SUCCESS", "received": 1772438399.9,
     "started": 1772438400.25, "succeeded": 1772438402.5, "failed": None, "runtime": 2.2501,
     "retries": 0, "routing_key": "agents"},
    {"uuid": "u2", "name": "app.summarise", "state": "FAILURE", "started": 1772438500.0,
     "succeeded": None, "failed": 1772438501.0, "runtime": None, "retries": 1},
    {"uuid": "u3", "name": "app.summarise", "state": "REVOKED", "started": None, "revoked": 1772438501.0},
    {"uuid": "u4", "name": "app.summarise", "state": "STARTED", "started": 1772438600.0},
]  # fmt: skip
GITHUB: Objects = [
    {"databaseId": 7, "attempt": 1, "workflowName": "agent", "event": "push", "status": "completed",
     "conclusion": "failure", "startedAt": "2026-03-02T08:00:00Z", "updatedAt": "2026-03-02T08:02:00Z"},
    {"databaseId": 7, "attempt": 2, "workflowName": "agent", "event": "push", "status": "completed",
     "conclusion": "success", "startedAt": "2026-03-02T09:00:00Z", "updatedAt": "2026-03-02T09:01:00Z"},
    {"databaseId": 8, "attempt": 1, "workflowName": "agent", "event": "push", "status": "in_progress",
     "conclusion": "", "startedAt": "2026-03-02T09:00:00Z", "updatedAt": "2026-03-02T09:00:30Z"},
    {"databaseId": 9, "attempt": 1, "workflowName": "agent", "event": "push", "status": "completed",
     "conclusion": "cancelled", "startedAt": "2026-03-02T09:00:00Z", "updatedAt": "2026-03-02T09:00:30Z"},
]  # fmt: skip
LANGFUSE: Objects = [
    {"id": "o1", "trace_id": "t1", "trace_name": "support-bot", "name": "answer", "type": "AGENT",
     "level": "DEFAULT", "start_time": "2026-03-02 08:00:00.000000", "parent_observation_id": None,
     "end_time": "2026-03-02 08:00:26.388000", "environment": "production"},
    {"id": "o2", "trace_id": "t1", "trace_name": "support-bot", "name": "search", "type": "TOOL",
     "level": "DEFAULT", "start_time": "2026-03-02 08:00:01.000000", "parent_observation_id": "o1",
     "end_time": "2026-03-02 08:00:02.000000"},
    {"id": "o3", "traceName": "support-bot", "name": "answer", "type": "AGENT", "level": "ERROR",
     "startTime": "2026-03-02T09:00:00.000Z", "endTime": "2026-03-02T09:00:10.000Z"},
]  # fmt: skip
LANGSMITH: Objects = [
    {"id": "a1", "name": "AgentExecutor", "run_type": "chain", "status": "success", "error": None,
     "start_time": "2026-03-02T08:00:00.123456", "end_time": "2026-03-02T08:00:05.123456",
     "parent_run_id": None},
    {"id": "a2", "name": "ChatOpenAI", "run_type": "llm", "status": "success", "parent_run_id": "a1",
     "start_time": "2026-03-02T08:00:01", "end_time": "2026-03-02T08:00:02"},
    {"id": "a3", "name": "AgentExecutor", "run_type": "chain", "status": "error", "error": "Traceback",
     "start_time": "2026-03-02T08:10:00", "end_time": "2026-03-02T08:10:01"},
    {"id": "a4", "name": "AgentExecutor", "run_type": "chain", "status": "pending",
     "start_time": "2026-03-02T08:20:00", "end_time": None},
]  # fmt: skip
MLFLOW: Objects = [
    {"trace_id": "tr-a70465cc23131d34fed4257e518c3513", "client_request_id": None, "state": "ERROR",
     "request_time": 1771924033501, "execution_duration": 2, "request": {"q": "bad"}, "response": None,
     "tags": {"mlflow.trace.spansLocation": "TRACKING_STORE", "mlflow.traceName": "support-agent"},
     "assessments": []},
    {"trace_id": "tr-54229f4701ae2a45eafe34590e27bac7", "client_request_id": None, "state": "OK",
     "request_time": 1771924032662, "execution_duration": 327, "request": {"q": "hello"},
     "tags": {"mlflow.trace.spansLocation": "TRACKING_STORE", "mlflow.traceName": "support-agent"},
     "response": "HELLO", "assessments": []},
]  # fmt: skip
TEMPORAL: Objects = [
    {"execution": {"workflowId": "order-1", "runId": "f1"}, "type": {"name": "Refund"},
     "startTime": "2026-03-02T08:00:00.123456789Z", "closeTime": "2026-03-02T08:00:01.123456789Z",
     "status": "WORKFLOW_EXECUTION_STATUS_COMPLETED", "taskQueue": "agents"},
    {"execution": {"workflowId": "order-1", "runId": "f2"}, "type": {"name": "Refund"},
     "startTime": "2026-03-02T09:00:00Z", "closeTime": "2026-03-02T09:00:02Z",
     "status": "WORKFLOW_EXECUTION_STATUS_TERMINATED", "taskQueue": "agents"},
    {"execution": {"workflowId": "order-2", "runId": "f3"}, "type": {"name": "Refund"},
     "startTime": "2026-03-02T09:00:00Z", "closeTime": "2026-03-02T09:00:02Z",
     "status": "WORKFLOW_EXECUTION_STATUS_TIMED_OUT", "taskQueue": "agents"},
    {"execution": {"workflowId": "order-3", "runId": "f4"}, "type": {"name": "Refund"},
     "startTime": "2026-03-02T09:00:00Z", "status": "WORKFLOW_EXECUTION_STATUS_RUNNING",
     "taskQueue": "agents"},
]  # fmt: skip

Row = tuple[str, str, str, int, float | None, str]
EXPECTED: dict[str, tuple[Objects, list[Row], dict[str, int]]] = {
    "airflow": (
        AIRFLOW,
        [
            ("m1/sum/-1/1", "nightly", "sum", 1_772_438_400_500, 60.0, "failed"),
            ("m1/sum/-1/2", "nightly", "sum", 1_772_438_700_000, 30.0, "succeeded"),
        ],
        {"state is 'upstream_failed'": 1},
    ),
    "celery": (
        CELERY,
        [
            ("u1", "app.summarise", "app.summarise", 1_772_438_400_250, 2.2501, "succeeded"),
            ("u2", "app.summarise", "app.summarise", 1_772_438_500_000, 1.0, "failed"),
            ("u4", "app.summarise", "app.summarise", 1_772_438_600_000, None, "not ended"),
        ],
        {"it has not begun: no started": 1},
    ),
    "github-actions": (
        GITHUB,
        [
            ("7/1", "agent", "push", 1_772_438_400_000, 120.0, "failed"),
            ("7/2", "agent", "push", 1_772_442_000_000, 60.0, "succeeded"),
            ("8/1", "agent", "push", 1_772_442_000_000, None, "not ended"),
            ("9/1", "agent", "push", 1_772_442_000_000, None, "cancelled"),
        ],
        {},
    ),
    "langfuse": (
        LANGFUSE,
        [
            ("o1", "support-bot", "answer", 1_772_438_400_000, 26.388, "succeeded"),
            ("o3", "support-bot", "answer", 1_772_442_000_000, 10.0, "failed"),
        ],
        {"a step of another run, by its parent_observation_id?,parentObservationId?": 1},
    ),
    "langsmith": (
        LANGSMITH,
        [
            ("a1", "AgentExecutor", "chain", 1_772_438_400_123, 5.0, "succeeded"),
            ("a3", "AgentExecutor", "chain", 1_772_439_000_000, 1.0, "failed"),
            ("a4", "AgentExecutor", "chain", 1_772_439_600_000, None, "not ended"),
        ],
        {"a step of another run, by its parent_run_id?": 1},
    ),
    "mlflow-traces": (
        MLFLOW,
        [
            (
                str(MLFLOW[0]["trace_id"]),
                "support-agent",
                "support-agent",
                1_771_924_033_501,
                0.002,
                "failed",
            ),
            (
                str(MLFLOW[1]["trace_id"]),
                "support-agent",
                "support-agent",
                1_771_924_032_662,
                0.327,
                "succeeded",
            ),
        ],
        {},
    ),
    "temporal": (
        TEMPORAL,
        [
            ("f1", "agents", "Refund", 1_772_438_400_123, 1.0, "succeeded"),
            ("f2", "agents", "Refund", 1_772_442_000_000, None, "cancelled"),
            ("f3", "agents", "Refund", 1_772_442_000_000, 2.0, "failed"),
            ("f4", "agents", "Refund", 1_772_442_000_000, None, "not ended"),
        ],
        {},
    ),
}


def rows_of(found: Export) -> list[Row]:
    assert found.error is None, found.error
    rows = []
    for run in found.runs:
        started, finished = run.started, run.finished
        ended = "cancelled" if run.cancelled else "not ended"
        if finished is not None:
            ended = "succeeded" if finished.succeeded else "failed"
        seconds = None if finished is None else finished.duration_s
        rows.append(
            (
                started.task_id,
                started.agent_id,
                started.task_type,
                started.started_at_ms,
                seconds,
                ended,
            )
        )
    return rows


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_reads_the_export_of_its_system(name: str, tmp_path: Path) -> None:
    objects, runs, left_out = EXPECTED[name]

    as_lines = read(tmp_path, "\n".join(map(json.dumps, objects)), PRESETS[name], name="x.jsonl")
    as_array = read(tmp_path, json.dumps(objects, indent=1), PRESETS[name], name="x.json")

    assert rows_of(as_lines) == rows_of(as_array) == runs
    assert as_lines.left_out == left_out


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        # Flower saw the end of this task, but not its beginning: it was started in between.
        ("celery", {"started": None}, "no started"),
        ("celery", {"name": None}, "no name"),
        ("langfuse", {"name": None, "trace_name": None}, "no trace_name?,traceName?,name"),
        ("mlflow-traces", {"tags": {}}, "no tags.mlflow.traceName,info.tags.mlflow.traceName"),
    ],
)
def test_what_a_system_knows_only_in_part_is_left_out_and_counted(
    name: str, changed: dict[str, object], why: str, tmp_path: Path
) -> None:
    objects, runs, left_out = EXPECTED[name]
    partly = {**objects[0], "uuid": "u9", "id": "o9", "trace_id": "tr-9", **changed}

    found = read(tmp_path, json.dumps([*objects, partly]), PRESETS[name], name="x.json")

    assert rows_of(found) == runs
    assert found.left_out == {**left_out, why: 1}


def test_an_observation_without_a_name_has_that_of_its_trace(tmp_path: Path) -> None:
    nameless = {**LANGFUSE[0], "name": None}

    found = read(tmp_path, json.dumps([nameless]), PRESETS["langfuse"], name="x.json")

    assert rows_of(found)[0][:3] == ("o1", "support-bot", "support-bot")


def test_the_file_of_another_system_is_refused_by_the_names_it_has(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(MLFLOW), PRESETS["celery"], name="x.json")

    assert "uuid,task_id: expected 1 to 256 characters" in str(found.error)
    assert "the names are 'trace_id, client_request_id, state" in str(found.error)


def test_the_retry_of_airflow_is_a_run_of_its_own() -> None:
    found = read_export(CASES / "airflow_retry_same_run_id.csv", PRESETS["airflow"])

    tries = [row for row in rows_of(found) if row[0].startswith("scheduled__6/")]
    assert [(row[0], row[4]) for row in tries] == [
        ("scheduled__6/summarise/1", 34.213091),
        ("scheduled__6/summarise/2", 9.0),
    ]


def test_every_preset_is_documented_with_a_command() -> None:
    documented = set(re.findall(r"--preset ([a-z-]+)", DOCS.read_text()))

    assert documented >= set(PRESETS)

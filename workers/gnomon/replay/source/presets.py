"""Knows the exports of other systems: their columns, units and words. ``docs/replay.md`` says how to make them."""

from collections.abc import Mapping
from typing import Final

from gnomon.replay.source.columns import Columns
from gnomon.replay.source.words import Ended, Words


def _preset(
    words: Mapping[Ended, str],
    *,
    units: Mapping[str, str] | None = None,
    context: str = "",
    **names: str,
) -> Columns:
    return Columns(
        names=names,
        context=context.split(),
        optional_context=True,
        has_gaps=True,
        units=units or {},
        words=Words.known(words),
    )


PRESETS: Final[Mapping[str, Columns]] = {
    # Rows of task_instance and task_instance_history, or of the REST API: one for each try.
    "airflow": _preset(
        {
            Ended.FAILED: "up_for_retry shutdown",
            Ended.RUNNING: "scheduled restarting deferred up_for_reschedule none",
            Ended.LEFT_OUT: "skipped upstream_failed removed",
        },
        run_id="run_id+task_id?+map_index?+try_number?,dag_run_id+task_id?+map_index?+try_number?",
        agent_id="dag_id",
        task_type="task_id",
        started_at="start_date",
        finished_at="end_date",
        success="state",
        duration_s="duration",
        context="operator queue pool try_number",
    ),
    # Flower's /api/tasks, one task a line.
    "celery": _preset(
        {
            Ended.CANCELLED: "revoked",
            Ended.RUNNING: "started received sent retry",
            Ended.LEFT_OUT: "rejected",
        },
        units={"started_at": "s", "finished_at": "s"},
        run_id="uuid,task_id",
        agent_id="name",
        task_type="name",
        started_at="started",
        finished_at="succeeded,failed,revoked",
        success="state,status",
        duration_s="runtime",
        context="routing_key retries",
    ),
    # Observations without a parent, of the API (camelCase) or of the blob storage (snake_case).
    "langfuse": _preset(
        {Ended.SUCCEEDED: "debug default warning", Ended.FAILED: "error"},
        run_id="id",
        agent_id="trace_name?,traceName?,name",
        # An observation need not have a name.
        task_type="name,trace_name?,traceName?",
        started_at="start_time,startTime",
        finished_at="end_time,endTime",
        success="level",
        parent_id="parent_observation_id?,parentObservationId?",
        context="type environment version",
    ),
    # Runs of Client.list_runs or of the bulk export.
    "langsmith": _preset(
        {},
        run_id="id",
        agent_id="name",
        task_type="run_type",
        started_at="start_time",
        finished_at="end_time",
        success="status",
        parent_id="parent_run_id?",
    ),
    # mlflow.search_traces() of MLflow 3.
    "mlflow-traces": _preset(
        {Ended.SUCCEEDED: "ok", Ended.FAILED: "error", Ended.RUNNING: "in_progress"},
        units={"started_at": "ms", "duration_s": "ms"},
        run_id="trace_id,info.trace_id",
        agent_id="tags.mlflow.traceName,info.tags.mlflow.traceName",
        task_type="tags.mlflow.traceName,info.tags.mlflow.traceName",
        started_at="request_time,info.request_time",
        finished_at="",
        success="state,info.state",
        duration_s="execution_duration,info.execution_duration_ms,execution_duration_ms",
    ),
    # gh run list --json, or workflow_runs of the REST API.
    "github-actions": _preset(
        {
            Ended.FAILED: "timed_out startup_failure action_required",
            Ended.RUNNING: "requested waiting",
            Ended.LEFT_OUT: "skipped neutral stale",
        },
        run_id="databaseId+attempt?,id+run_attempt?",
        agent_id="workflowName,name",
        task_type="event",
        started_at="startedAt,run_started_at",
        finished_at="updatedAt,updated_at",
        # A run that has not ended has no conclusion, but a status.
        success="conclusion,status",
        context="headBranch head_branch attempt run_attempt",
    ),
    # temporal workflow list --output json.
    "temporal": _preset(
        {
            ended: " ".join(f"{word} workflow_execution_status_{word}" for word in words.split())
            for ended, words in {
                Ended.SUCCEEDED: "completed",
                Ended.FAILED: "failed timed_out",
                Ended.CANCELLED: "canceled terminated",
                Ended.RUNNING: "running paused",
                Ended.LEFT_OUT: "continued_as_new",
            }.items()
        },
        run_id="execution.runId",
        agent_id="taskQueue,task_queue",
        task_type="type.name",
        started_at="startTime",
        finished_at="closeTime",
        success="status",
    ),
}
"""Columns of each system's export, by its name on the command line."""

"""The comparison by brute force: every rule as it is told, over whole lists, slow and plain."""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.comparison import decision_id
from gnomon.events import (
    Comparison,
    Ledger,
    ModelPrediction,
    Outcome,
    Prediction,
    PredictionEvent,
    PredictionShed,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskFinished,
    TaskStarted,
)


@dataclass
class Run:
    """One accepted start and what came of it."""

    agent: str
    task: str
    at: int
    outcome: Outcome | None = None
    ended_at: int | None = None
    late_end: bool = False
    forgotten: bool = False


@dataclass
class Beside:
    duplicate: int = 0
    late: int = 0
    orphan: int = 0


def time_of(event: TaskEvent) -> int:
    if isinstance(event, TaskStarted):
        return event.started_at_ms
    return event.finished_at_ms if isinstance(event, TaskFinished) else event.cancelled_at_ms


def follow(events: Sequence[TaskEvent], expire_after_ms: int) -> tuple[list[Run], Beside]:
    """Every accepted start with its outcome, looking at every run at every event."""
    runs: list[Run] = []
    beside = Beside()
    for position, event in enumerate(events):
        watermark = max(time_of(e) for e in events[: position + 1])
        for run in runs:
            deadline = run.at + expire_after_ms
            if run.outcome is None and deadline < watermark:
                run.outcome = Outcome(status="expired", at_ms=deadline)
                run.ended_at = deadline
            if run.ended_at is not None:
                kept_from = max(run.ended_at, run.at)
                run.forgotten = run.forgotten or kept_from + expire_after_ms < watermark
        known = [
            run
            for run in runs
            if (run.agent, run.task) == (event.agent_id, event.task_id) and not run.forgotten
        ]
        if isinstance(event, TaskStarted):
            if known:
                beside.duplicate += 1
            elif event.started_at_ms + expire_after_ms < watermark:
                beside.late += 1
            else:
                runs.append(Run(event.agent_id, event.task_id, event.started_at_ms))
        elif not known:
            beside.orphan += 1
        else:
            _end(known[0], event, beside)
    return runs, beside


def _end(run: Run, event: TaskFinished | TaskCancelled, beside: Beside) -> None:
    if run.outcome is not None and run.outcome.status == "expired" and not run.late_end:
        run.late_end = True
        beside.late += 1
    elif run.outcome is not None:
        beside.duplicate += 1
    elif isinstance(event, TaskCancelled):
        run.ended_at = event.cancelled_at_ms
        run.outcome = Outcome(status="cancelled", at_ms=event.cancelled_at_ms)
    else:
        run.ended_at = event.finished_at_ms
        run.outcome = Outcome(
            status="matched",
            at_ms=event.finished_at_ms,
            duration_s=event.duration_s,
            succeeded=event.succeeded,
            code_review_iterations=event.code_review_iterations,
            deployment_succeeded=event.deployment_succeeded,
            error_type=event.error_type,
        )


def predictions_of(run: Run, records: Sequence[PredictionEvent]) -> list[Prediction] | str:
    """The run's predictions, ``shed``, or ``missing``."""
    found: list[Prediction] = []
    for record in records:
        if (record.agent_id, record.task_id, record.started_at_ms) != (run.agent, run.task, run.at):
            continue
        if found and len(found) == found[0].predictors:
            break
        if isinstance(record, PredictionShed):
            return "shed"
        if all((p.model, p.version) != (record.model, record.version) for p in found):
            found.append(record)
    return found if found and len(found) == found[0].predictors else "missing"


def compare(
    events: Sequence[TaskEvent],
    vectors: Sequence[TaskFeatures],
    records: Sequence[PredictionEvent],
    *,
    expire_after_ms: int,
) -> tuple[list[Comparison], Ledger]:
    """What must have been written when all three lists have been read."""
    runs, beside = follow(events, expire_after_ms)
    counts = dict.fromkeys(("matched", "expired", "cancelled", "pending", "shed"), 0)
    comparisons = []
    for run in runs:
        own = [v for v in vectors if (v.agent_id, v.task_id) == (run.agent, run.task)]
        vector = next((v for v in own if v.started_at_ms == run.at), None)
        predictions = predictions_of(run, records)
        if vector is None or predictions == "missing":
            continue
        if isinstance(predictions, str):
            counts["shed"] += 1
        elif run.outcome is None:
            counts["pending"] += 1
        else:
            counts[run.outcome.status] += 1
            comparisons.append(_comparison(vector, predictions, run.outcome))
    ledger = Ledger(
        partition=3,
        predictions=sum(counts.values()) - counts["shed"],
        duplicate=beside.duplicate,
        late=beside.late,
        orphan=beside.orphan,
        **counts,
    )
    return comparisons, ledger


def _comparison(
    vector: TaskFeatures, predictions: list[Prediction], outcome: Outcome
) -> Comparison:
    return Comparison(
        decision_id=decision_id(vector.agent_id, vector.task_id),
        agent_id=vector.agent_id,
        task_id=vector.task_id,
        task_type=vector.task_type,
        started_at_ms=vector.started_at_ms,
        features=vector.features,
        completeness=vector.completeness,
        predictions=[
            ModelPrediction(
                model=p.model,
                version=p.version,
                duration_s=p.duration_s,
                success_probability=p.success_probability,
                sha256=p.sha256,
                intervals=p.intervals,
            )
            for p in predictions
        ],
        outcome=outcome,
        estimate_s=vector.estimate_s,
        context=vector.context,
    )

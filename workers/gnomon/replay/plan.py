"""Turns recorded runs into events in the order in which they happened."""

from collections.abc import Iterable

from gnomon.events import TaskFinished, TaskStarted
from gnomon.replay.source import Run

Planned = TaskStarted | TaskFinished


def in_event_time_order(runs: Iterable[Run]) -> list[Planned]:
    """Return starts and finishes of ``runs`` ordered by event time.

    In the same millisecond, finishes come before starts, because a task that ended at t is known
    at t. The finish of a run still comes after its own start.
    """
    keyed: list[tuple[int, int, int, Planned]] = []
    for index, run in enumerate(runs):
        started = run.started
        keyed.append((started.started_at_ms, 1, index, started))
        if run.finished is not None:
            instant = run.finished.finished_at_ms == started.started_at_ms
            keyed.append((run.finished.finished_at_ms, 2 if instant else 0, index, run.finished))
    keyed.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in keyed]

"""Turns recorded runs into events in the order in which they happened."""

from collections.abc import Iterable

from gnomon.codec import event_time_ms
from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.replay.source import Run

Planned = TaskStarted | TaskFinished | TaskCancelled


def in_event_time_order(runs: Iterable[Run]) -> list[Planned]:
    """Return starts and ends of ``runs`` ordered by event time.

    In the same millisecond, ends come before starts, because a task that ended at t is known
    at t. The end of a run still comes after its own start.
    """
    keyed: list[tuple[int, int, int, Planned]] = []
    for index, run in enumerate(runs):
        started = run.started
        keyed.append((started.started_at_ms, 1, index, started))
        if run.end is not None:
            at_ms = event_time_ms(run.end)
            keyed.append((at_ms, 2 if at_ms == started.started_at_ms else 0, index, run.end))
    keyed.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in keyed]

"""Finds run ids that occur more than once: mistakes, or retries that keep the id of their run."""

from collections.abc import Sequence

import msgspec

from gnomon.replay.source.runs import Run

Key = tuple[str, str]


class Repeats:
    """Knows the runs that were read.

    Args:
        each_retry: Whether a repeated id is another run if it started at another time.
        unit: What rows are numbered by.
    """

    def __init__(self, *, each_retry: bool, unit: str) -> None:
        self._each_retry, self._unit = each_retry, unit
        self._first: dict[Key, int] = {}
        self._starts: dict[Key, set[int]] = {}

    def check(self, run: Run, number: int) -> None:
        """Note a run.

        Raises:
            ValueError: Its agent has a run of this id already.
        """
        key = run.started.agent_id, run.started.task_id
        first = self._first.setdefault(key, number)
        starts = self._starts.setdefault(key, set()) if self._each_retry else set()
        started_at_ms = run.started.started_at_ms
        if first != number and (not self._each_retry or started_at_ms in starts):
            raise ValueError(
                f"run {key[1]!r} of this agent is already on {self._unit} {first}; if these are"
                " retries, name their column: --map run_id=run_id+try_number, or say --each-retry"
            )
        starts.add(started_at_ms)

    def numbered(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs, of which retries have their number by time behind the id: ``id~2``."""
        order = {key: sorted(starts) for key, starts in self._starts.items() if len(starts) > 1}
        return [_renamed(run, order) for run in runs] if order else list(runs)


def _renamed(run: Run, order: dict[Key, list[int]]) -> Run:
    started = run.started
    starts = order.get((started.agent_id, started.task_id), [])
    number = starts.index(started.started_at_ms) + 1 if starts else 1
    if number == 1:
        return run
    task_id = f"{started.task_id}~{number}"
    replace = msgspec.structs.replace
    return Run(
        started=replace(started, task_id=task_id),
        finished=None if run.finished is None else replace(run.finished, task_id=task_id),
        cancelled=None if run.cancelled is None else replace(run.cancelled, task_id=task_id),
    )

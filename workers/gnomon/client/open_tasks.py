"""Tasks that were begun and will be ended by another call, by their id."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypedDict

from gnomon.client.task import Task
from gnomon.client.values import is_a

MOST: Final = 10_000
"""Most tasks that are remembered; one more, and the oldest is forgotten."""


class CancelKeywords(TypedDict, total=False):
    """The arguments of ``Client.cancel`` given by name."""

    task: Task | str
    reason: str


class OpenTasks:
    """Remembers tasks between ``Client.start`` and ``finish`` or ``cancel``, without a lock.

    Args:
        refuse: Counts a task that cannot be ended, with the reason.
    """

    __slots__ = ("_refuse", "_tasks")

    def __init__(self, refuse: Callable[[str], object]) -> None:
        self._refuse = refuse
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task) -> None:
        """Remember ``task`` if its id is a string."""
        if type(task.task_id) is str:
            self._tasks[task.task_id] = task
        if len(self._tasks) > MOST:
            try:
                self._tasks.popitem(last=False)
            except KeyError:  # other threads have ended theirs meanwhile
                return

    def remove(self, task: object) -> Task | None:
        """Return a task, given as it is or by its id, and forget it; count one that is not open."""
        if is_a(task, Task):
            if type(task.task_id) is str:
                self._tasks.pop(task.task_id, None)
            return task
        begun = self._tasks.pop(task, None) if type(task) is str else None
        if begun is None:
            self._refuse("no such task was started")
        return begun

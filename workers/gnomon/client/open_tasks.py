"""Tasks that were begun and will be ended by another call, by their id."""

from collections import OrderedDict
from typing import Final

from gnomon.client.task import Task
from gnomon.client.values import is_a

MOST: Final = 10_000
"""Most tasks that are remembered; one more, and the oldest is forgotten."""


class OpenTasks:
    """Remembers tasks between ``Client.start`` and ``finish`` or ``cancel``, without a lock."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
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
        """Return a task, given as it is or by its id, and forget it."""
        if is_a(task, Task):
            if type(task.task_id) is str:
                self._tasks.pop(task.task_id, None)
            return task
        return self._tasks.pop(task, None) if type(task) is str else None

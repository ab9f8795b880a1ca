"""Tasks that were begun and are to be ended elsewhere, by their id."""

from collections import OrderedDict
from typing import Final

from gnomon.client.capture.validation import is_a
from gnomon.client.task import Task

MOST: Final = 10_000
"""Tasks that are remembered; then the oldest is forgotten."""


class OpenTasks:
    """Remembers tasks between ``Client.start`` and ``finish`` or ``cancel``. Free of locks."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task) -> None:
        """Remember ``task``, if it has an id that can be."""
        if type(task.task_id) is str:
            self._tasks[task.task_id] = task
        if len(self._tasks) > MOST:
            try:
                self._tasks.popitem(last=False)
            except KeyError:  # others have ended theirs meanwhile
                return

    def remove(self, task: object) -> Task | None:
        """The task that is meant, by itself or by its id, no longer remembered."""
        if is_a(task, Task):
            if type(task.task_id) is str:
                self._tasks.pop(task.task_id, None)
            return task
        return self._tasks.pop(task, None) if type(task) is str else None

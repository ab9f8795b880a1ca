"""Checks of a task's arguments; each one that cannot be used is counted with its reason."""

from collections.abc import Callable

from gnomon.client.capture.validation import is_identifier, is_time

Refuse = Callable[[str], None]


def refuse_context(items: int, refuse: Refuse) -> None:
    """Count so many items of a context that cannot be sent."""
    for _ in range(items):
        refuse("context must be flat: strings, finite numbers, bools")


def are_usable(task_id: object, started_at_ms: object, refuse: Refuse) -> bool:
    """Return whether a given id and a given start time are valid; ``None`` is not given."""
    if task_id is not None and not is_identifier(task_id):
        refuse("task_id must be a string of 1 to 256 characters")
        return False
    if started_at_ms is not None and not is_time(started_at_ms):
        refuse("started_at_ms must be milliseconds since 1970")
        return False
    return True

"""Checks of a task's arguments; each one that cannot be used is counted with its reason."""

from collections.abc import Callable

from gnomon.client.capture.validation import is_identifier, is_time
from gnomon.client.values import seconds

Refuse = Callable[[str], None]


def refuse_context(items: int, refuse: Refuse) -> None:
    """Count so many items of a context that cannot be sent."""
    for _ in range(items):
        refuse("context must be flat: strings, finite numbers, bools")


def checked_estimate(estimate_s: object, refuse: Refuse) -> float | None:
    """Return ``estimate_s`` if it is a finite number of 0 or more."""
    estimate = seconds(estimate_s)
    if estimate is None:
        refuse("estimate_s must be a finite number of seconds")
    return estimate


def are_usable(task_id: object, started_at_ms: object, refuse: Refuse) -> bool:
    """Return whether a given id and a given start time are valid; ``None`` is not given."""
    if task_id is not None and not is_identifier(task_id):
        refuse("task_id must be a string of 1 to 256 characters")
        return False
    if started_at_ms is not None and not is_time(started_at_ms):
        refuse("started_at_ms must be milliseconds since 1970")
        return False
    return True

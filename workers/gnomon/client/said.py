"""What is said of how a task ended, before it ends: checked, and as fields of its event."""

from collections.abc import Callable
from typing import Any

from gnomon.client.checking import LONGEST_ID, class_name, end_times, flat, is_a, plain_text

Fields = dict[str, Any]
"""Of ``TaskFinished``, those that are not as usual."""
Refuse = Callable[[str], None]


def add_outcome(fields: Fields, given: object, refuse: Refuse) -> int:
    """Take in what else there is to say; returns its size.

    A later value of a name takes the place of an earlier one.
    """
    kept, size, refused = flat(given)
    for _ in range(refused):
        refuse("outcome must be flat: strings, finite numbers, bools")
    try:
        fields["outcome"] = {**fields.get("outcome", {}), **kept}
    except Exception:  # the agent's edge: its names may be strings of its own making
        refuse("the names of outcomes must be strings")
        return 0
    return size


def add_failure(fields: Fields, error_type: object, refuse: Refuse) -> int:
    """Say that it has not succeeded, and for what if that is known; returns the size of that."""
    fields["succeeded"] = False
    if error_type is None:
        return 0
    if is_a(error_type, BaseException):
        error_type = class_name(error_type)
    name = plain_text(error_type, LONGEST_ID)
    if name is None:
        refuse("error_type must be a string or an exception")
        return 0
    fields["error_type"] = name
    return len(name)


def add_times(fields: Fields, began_ms: int, ended_ms: object, duration_s: object) -> bool:
    """Say when it ended and how long it took, as given; returns whether that can be."""
    times = end_times(began_ms, ended_ms, duration_s)
    fields.update(times or {})
    return times is not None

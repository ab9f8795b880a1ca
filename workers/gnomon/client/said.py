"""What is said of how a task ended, before it ends: checked, and as fields of its event."""

from collections.abc import Callable
from typing import Any

from gnomon.client.checking import (
    LONGEST_ID,
    MOST_ITERATIONS,
    class_name,
    end_times,
    flat,
    plain_text,
)

Refuse = Callable[[str], None]


class Said:
    """Fields of ``TaskFinished`` that are not as usual. What cannot be used is refused.

    Attributes:
        fields: Of the event; once it has ended nobody changes them.
        size: What they take of the record, as ``checking`` reckons it.
    """

    __slots__ = ("_refuse", "fields", "size")

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self.fields: dict[str, Any] = {}
        self.size = 0

    def iterations(self, value: object) -> None:
        """How often the code was reviewed."""
        if type(value) is int and 0 <= value <= MOST_ITERATIONS:
            self.fields["code_review_iterations"] = value
        else:
            self._refuse("code_review_iterations must be an int of 0 or more")

    def deployment(self, succeeded: object) -> None:
        """Whether the deployment succeeded."""
        if type(succeeded) is bool:
            self.fields["deployment_succeeded"] = succeeded
        else:
            self._refuse("deployment_succeeded must be a bool")

    def outcome(self, given: object) -> None:
        """Whatever else there is to say; a later value of a name takes the place of the first."""
        kept, size, refused = flat(given)
        for _ in range(refused):
            self._refuse("outcome must be flat: strings, finite numbers, bools")
        try:
            self.fields["outcome"] = {**self.fields.get("outcome", {}), **kept}
        except Exception:  # the agent's edge: its names may be strings of its own making
            self._refuse("the names of outcomes must be strings")
        else:
            self.size += size

    def failure(self, error_type: object) -> None:
        """That it has not succeeded, and for what if that is known."""
        self.fields["succeeded"] = False
        if error_type is None:
            return
        if isinstance(error_type, BaseException):
            error_type = class_name(error_type)
        name = plain_text(error_type, LONGEST_ID)
        if name is None:
            self._refuse("error_type must be a string or an exception")
        else:
            self.fields["error_type"] = name
            self.size += len(name)

    def times(self, began_ms: int, ended_ms: object, duration_s: object) -> bool:
        """When it ended and how long it took, as given; returns whether that can be."""
        times = end_times(began_ms, ended_ms, duration_s)
        self.fields.update(times or {})
        return times is not None

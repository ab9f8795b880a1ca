"""What is said of how a task ended, before it ends: checked, and as fields of its event."""

from collections.abc import Callable
from typing import Any, Final

from gnomon.client.capture import deferred
from gnomon.client.capture.validation import (
    LONGEST_ID,
    class_name,
    end_times,
    flat,
    is_a,
    plain_text,
)
from gnomon.client.delivery.buffer import Record

Fields = dict[str, Any]
"""Of ``TaskFinished``, those that are not as usual."""
Refuse = Callable[[str], None]


def add_outcome(fields: Fields, given: object, refuse: Refuse) -> int:
    """Take in what else there is to say; returns by how much that is larger now.

    A later value of a name takes the place of an earlier one.
    """
    kept, size, refused = flat(given)
    for _ in range(refused):
        refuse("outcome must be flat: strings, finite numbers, bools")
    said = fields.get("outcome")
    if said is None:
        fields["outcome"] = kept
        return size
    try:
        if not kept.keys().isdisjoint(said):
            size -= flat({name: said[name] for name in kept if name in said})[1]
        said.update(kept)
    except Exception:  # the agent's edge: its names may be strings of its own making
        refuse("the names of outcomes must be strings")
    return size


def add_failure(fields: Fields, error_type: object, refuse: Refuse) -> int:
    """Say that it has not succeeded, and for what if that is known.

    Returns:
        By how much what is said is larger now.
    """
    fields["succeeded"] = False
    if error_type is None:
        return 0
    if is_a(error_type, BaseException):
        error_type = class_name(error_type)
    name = plain_text(error_type, LONGEST_ID)
    if name is None:
        refuse("error_type must be a string or an exception")
        return 0
    before = len(fields.get("error_type", ""))
    fields["error_type"] = name
    return len(name) - before


def add_times(fields: Fields, began_ms: int, ended_ms: object, duration_s: object) -> bool:
    """Say when it ended and how long it took, as given; returns whether that can be."""
    times = end_times(began_ms, ended_ms, duration_s)
    fields.update(times or {})
    return times is not None


class Cuts:
    """An end that may be too large, and the same with less in it.

    Attributes:
        ends: As it is; without context, which its start had; without outcome; without either.
        left_out: How many payloads the one of ``ends`` lacks whose record was made last.
    """

    def __init__(self, ended: deferred.Ended) -> None:
        self.left_out = 0
        size, _, begun, at_ns, took_ns, given = ended
        said = given or {}
        context, outcome = begun[8], said.get("outcome", {})
        bare: deferred.Begun = (*begun[:8], {}, begun[9])
        rest = {name: value for name, value in said.items() if name != "outcome"}
        ends: list[deferred.Ended] = []
        for no_context, no_outcome in ((False, False), (True, False), (False, True), (True, True)):
            if (no_context and not context) or (no_outcome and not outcome):
                continue
            less = no_context * flat(context)[1] + no_outcome * flat(outcome)[1]
            make = self._noting(no_context + no_outcome)
            start, fields = bare if no_context else begun, rest if no_outcome else said
            ends.append((size - less, make, start, at_ns, took_ns, fields))
        self.ends: Final = tuple(ends)

    def _noting(self, left_out: int) -> Callable[[deferred.Ended], Record]:
        def make(ended: deferred.Ended) -> Record:
            self.left_out = left_out
            return deferred.finished(ended)

        return make

"""The outcome of a task, collected before its end: checked, and as fields of its event."""

from collections.abc import Callable
from typing import Any, Final

from gnomon.client.capture import deferred
from gnomon.client.capture.validation import LONGEST_ID, end_times, flat
from gnomon.client.records import Record
from gnomon.client.values import class_name, is_a, plain_text

Fields = dict[str, Any]
"""Those fields of ``TaskFinished`` that differ from their usual values."""
Refuse = Callable[[str], None]


def add_outcome(fields: Fields, given: object, refuse: Refuse) -> int:
    """Add the agent's own outcome values to ``fields``; a later value replaces an earlier one.

    Returns:
        By how many bytes the fields are larger now.
    """
    kept, size, refused = flat(given)
    for _ in range(refused):
        refuse("outcome must be flat: strings, finite numbers, bools")
    outcome = fields.get("outcome")
    if outcome is None:
        fields["outcome"] = kept
        return size
    try:
        if not kept.keys().isdisjoint(outcome):
            size -= flat({name: outcome[name] for name in kept if name in outcome})[1]
        outcome.update(kept)
    except Exception:  # the agent's edge: its names may be strings of its own making
        refuse("the names of outcomes must be strings")
    return size


def add_failure(fields: Fields, error_type: object, refuse: Refuse) -> int:
    """Add to ``fields`` that the task has failed, and the type of its error if that is known.

    Returns:
        By how many bytes the fields are larger now.
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


def add_times(fields: Fields, start_ms: int, end_ms: object, duration_s: object) -> bool:
    """Add the given end and duration to ``fields``; return whether they are valid."""
    times = end_times(start_ms, end_ms, duration_s)
    fields.update(times or {})
    return times is not None


class SizeFallbacks:
    """An end that may be too large to be sent, and the same end with less in it.

    Attributes:
        candidates: The whole end; without context, which its start had; without outcome; without
            either.
        left_out: How many payloads are missing in the candidate whose record was made last.
    """

    def __init__(self, end: deferred.DeferredEnd) -> None:
        self.left_out = 0
        size, _, start, end_ns, duration_ns, given = end
        fields = given or {}
        context, outcome = start[8], fields.get("outcome", {})
        bare: deferred.DeferredStart = (*start[:8], {}, start[9])
        rest = {name: value for name, value in fields.items() if name != "outcome"}
        candidates: list[deferred.DeferredEnd] = []
        for no_context, no_outcome in ((False, False), (True, False), (False, True), (True, True)):
            if (no_context and not context) or (no_outcome and not outcome):
                continue
            less = no_context * flat(context)[1] + no_outcome * flat(outcome)[1]
            make = self._maker(no_context + no_outcome)
            used_start, used_fields = bare if no_context else start, rest if no_outcome else fields
            candidates.append((size - less, make, used_start, end_ns, duration_ns, used_fields))
        self.candidates: Final = tuple(candidates)

    def _maker(self, left_out: int) -> Callable[[deferred.DeferredEnd], Record]:
        def make(end: deferred.DeferredEnd) -> Record:
            self.left_out = left_out
            return deferred.end_record(end)

        return make

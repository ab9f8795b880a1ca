"""Sizes of task events in bytes of JSON, estimated from lengths without encoding.

The same look checks that an event is valid, that is, that every reader would take it. A property
test holds these checks against the contract's own decoder. The estimates are too small where
characters need escapes or more than one byte, so an event that is not ``SURELY_SMALL`` is encoded to
learn its size.
"""

from typing import Final

from gnomon.client.capture.validation import (
    LATEST_MS,
    LONGEST_ID,
    LONGEST_REASON,
    LONGEST_S,
    MOST_ITERATIONS,
)
from gnomon.client.delivery.identity import MOST_BYTES
from gnomon.client.values import INF, is_traceparent
from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES

LARGEST_RECORD: Final = MAX_EVENT_BYTES - MOST_BYTES
"""Largest encoded event in bytes, so that its identity fits as well."""
SURELY_SMALL: Final = 8_000
"""An event of this estimated size is never too large. A character takes six bytes at most
(``\\u0000``), numbers are estimated at their longest; sealed, that is still below
``LARGEST_RECORD``."""
START_SIZE: Final = 160
"""Bytes of a start or a cancellation without its strings and mappings."""
END_SIZE: Final = 360
"""Bytes of an end without its strings and mappings."""
_LINK_SIZE: Final = 72
"""Bytes of a traceparent with its name."""
_MOST_LENGTHS: Final = 1_000


def size_of_end(event: TaskFinished, lengths: dict[str, int]) -> int:
    """Return the size of an event that is certainly valid without its mappings; otherwise -1.

    Args:
        event: The event; its mappings are neither checked nor counted.
        lengths: Lengths of the agent ids and task types that were found valid before. There are
            few of them, and to look one up costs less than to check it.
    """
    agent_id, task_id, task_type = event.agent_id, event.task_id, event.task_type
    start, end, duration_s = event.started_at_ms, event.finished_at_ms, event.duration_s
    iterations, deployed = event.code_review_iterations, event.deployment_succeeded
    error, estimate_s, link = event.error_type, event.estimate_s, event.traceparent
    if (
        type(agent_id) is str
        and type(task_id) is str
        and type(task_type) is str
        and type(start) is int
        and type(end) is int
        and type(duration_s) is float
        and 0 <= start <= end < LATEST_MS
        and 0.0 <= duration_s <= LONGEST_S
        and type(event.succeeded) is bool
        and (iterations is None or (type(iterations) is int and 0 <= iterations <= MOST_ITERATIONS))
        and (deployed is None or deployed is True or deployed is False)
        and (error is None or (type(error) is str and len(error) <= LONGEST_ID and error.isascii()))
        and (estimate_s is None or (type(estimate_s) is float and 0.0 <= estimate_s < INF))
        and type(event.context) is dict
        and type(event.outcome) is dict
        and event.sealed_context is None
        and event.sealed_outcome is None
        and (link is None or is_traceparent(link))
        and event.tenant is None
        and event.producer_id is None
        and event.seq is None
        and task_id.isascii()
    ):
        task = len(task_id)
        try:
            names = lengths[agent_id] + lengths[task_type]
        except KeyError:
            names = _learn_lengths(agent_id, task_type, lengths=lengths)
        if names and task and task <= LONGEST_ID:
            size = END_SIZE + names + task
            return size if link is None else size + _LINK_SIZE
    return -1


def _learn_lengths(*names: str, lengths: dict[str, int]) -> int:
    """Check names and remember their lengths, if those are not too many; return their sum.

    Returns:
        0 if one of the names needs a closer check.
    """
    if not all(0 < len(name) <= LONGEST_ID and name.isascii() for name in names):
        return 0
    if len(lengths) < _MOST_LENGTHS:
        lengths.update({name: len(name) for name in names})
    return sum(map(len, names))


def size_of_start(event: TaskStarted) -> int:
    """Do the same as ``size_of_end`` for a start."""
    start, link = event.started_at_ms, event.traceparent
    if (
        type(start) is int
        and 0 <= start < LATEST_MS
        and _is_estimate(event.estimate_s)
        and type(event.context) is dict
        and event.sealed_context is None
        and (link is None or is_traceparent(link))
        and event.tenant is None
        and event.producer_id is None
        and event.seq is None
    ):
        size = START_SIZE if link is None else START_SIZE + _LINK_SIZE
        return _with_names(size, event.agent_id, event.task_id, event.task_type)
    return -1


def size_of_cancel(event: TaskCancelled) -> int:
    """Do the same as ``size_of_end`` for a cancellation."""
    at_ms, reason = event.cancelled_at_ms, event.reason
    if (
        type(at_ms) is int
        and 0 <= at_ms < LATEST_MS
        and type(reason) is str
        and len(reason) <= LONGEST_REASON
        and reason.isascii()
        and event.tenant is None
        and event.producer_id is None
        and event.seq is None
    ):
        return _with_names(START_SIZE + len(reason), event.agent_id, event.task_id, "-")
    return -1


def _with_names(size: int, agent_id: str, task_id: str, task_type: str) -> int:
    if type(agent_id) is str and type(task_id) is str and type(task_type) is str:
        agent, task, kind = len(agent_id), len(task_id), len(task_type)
        if (
            0 < agent <= LONGEST_ID
            and 0 < task <= LONGEST_ID
            and 0 < kind <= LONGEST_ID
            and agent_id.isascii()
            and task_id.isascii()
            and task_type.isascii()
        ):
            return size + agent + task + kind
    return -1


def _is_estimate(value: float | None) -> bool:
    return value is None or (type(value) is float and 0.0 <= value < INF)

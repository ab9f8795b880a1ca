"""Whether every reader would take what an agent gives: told from types and lengths, unencoded.

What passes here encodes to a record that decodes to the same event; a property test holds the
checks against the contract's own decoder. Exact types only, so none of the agent's code is called
where that is not said. Sizes are in bytes of JSON, reckoned from lengths: too small where
characters need escapes or more than one byte, so what is not ``SURELY_SMALL`` is to be encoded.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeGuard, TypeVar

from gnomon.client.delivery.identity import MOST_BYTES
from gnomon.client.tracing import is_traceparent
from gnomon.events import ContextValue, TaskCancelled, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES

K = TypeVar("K")

LARGEST_RECORD: Final = MAX_EVENT_BYTES - MOST_BYTES
"""Bytes of an encoded event, with room for its identity."""
SURELY_SMALL: Final = 8_000
"""Of a size as it is reckoned here. A character takes six bytes at most (``\\u0000``), a number is
reckoned with what it can take; sealed, that is still less than ``LARGEST_RECORD``."""
START_SIZE: Final = 160
END_SIZE: Final = 360
"""What an event takes beside its strings and mappings."""
LONGEST_ID: Final = 256
MOST_ITEMS: Final = 1_000
"""Of a mapping that is no dict: its own code brings forth the items, perhaps without end."""
LATEST_MS: Final = 253_402_300_800_000
LONGEST_S: Final = 9_000_000.0
MOST_ITERATIONS: Final = 100_000_000
LONGEST_REASON: Final = 1_024

_ITEM_SIZE: Final = 30
"""Quotes, colon and comma, and the longest number."""
_LINK_SIZE: Final = 72
_MOST_PLAIN: Final = 1_000
"""Of a traceparent with its name."""
_INF: Final = math.inf
_LEAST_INT: Final = -(2**63)
_LARGEST_INT: Final = 2**64


def is_a(value: object, kind: type[K]) -> TypeGuard[K]:
    """``isinstance`` that asks nothing of the value, whose own code may answer or raise anything."""
    return issubclass(type(value), kind)


def plain_text(value: object, longest: int) -> str | None:
    """``value`` as an exact string that can be sent, cut to ``longest``; ``None`` if it is none.

    A subclass's own methods are not called.
    """
    if type(value) is not str:
        if not is_a(value, str):
            return None
        value = str.__str__(value)
    value = value[:longest]
    return value if value.isascii() or _is_encodable(value) else None


def class_name(value: object) -> str:
    """The name of its class, not asked of the class, whose own class may answer anything."""
    name: str = type.__dict__["__qualname__"].__get__(type(value))
    return name


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether ``value`` can be the id of an agent or a task, or a task's type."""
    return (
        type(value) is str
        and 0 < len(value) <= LONGEST_ID
        and (value.isascii() or _is_encodable(value))
    )


def is_time(value: object) -> TypeGuard[int]:
    """Whether ``value`` can be when something happened."""
    return type(value) is int and 0 <= value < LATEST_MS


def flat(given: object) -> tuple[dict[str, ContextValue], int, int]:
    """What can be sent of a mapping that an agent gives. Does not raise.

    Returns:
        A copy of the items that are flat and finite, its size, and how many items are not so.
        What is of a subclass (as numpy's floats are) is taken as what it is one of.
    """
    try:
        if type(given) is dict:
            return _usual(given.copy())
        return _picked(_items(given))
    except Exception:  # the agent's edge: a mapping of its own may raise anything
        return {}, 0, 1


def _usual(copy: dict[Any, Any]) -> tuple[dict[str, ContextValue], int, int]:
    """What ``flat`` says of a dict that nobody else has, quickly where it can be sent as it is."""
    size = 0
    for name, value in copy.items():
        kind = type(value)
        if type(name) is not str or not name.isascii():
            break
        if kind is str:
            if not value.isascii():
                break
            size += len(value)
        elif kind is int:
            if not _LEAST_INT <= value < _LARGEST_INT:
                break
        elif kind is float:
            if not -_INF < value < _INF:
                break
        elif kind is not bool and value is not None:
            break
        size += len(name)
    else:
        return copy, size + _ITEM_SIZE * len(copy), 0
    return _picked(copy.items())


def _picked(items: Iterable[tuple[Any, Any]]) -> tuple[dict[str, ContextValue], int, int]:
    """The same for a mapping not all of which can be sent as it is: item by item."""
    kept: dict[str, ContextValue] = {}
    size = refused = 0
    for name, value in items:
        try:
            key = plain_text(name, MAX_EVENT_BYTES)
            plain = value if value is None or type(value) is bool else _plain(value)
        except Exception:  # the agent's edge, as above; the other items are kept
            key = None
        if key is None or (plain is None and value is not None):
            refused += 1
            continue
        kept[key] = plain
        size += _ITEM_SIZE + len(key) + (len(plain) if type(plain) is str else 0)
    return kept, size, refused


def _items(given: object) -> Iterable[tuple[Any, Any]]:
    """The items of a mapping that is no dict."""
    if not isinstance(given, Mapping):
        raise TypeError
    return islice(given.items(), MOST_ITEMS)


def seconds(value: object) -> float | None:
    """``value`` as a duration, or ``None`` if it is no finite number of seconds."""
    if type(value) is not float:
        if type(value) is int:
            return value if 0 <= value < _LARGEST_INT else None
        if not is_a(value, float):
            return None
        value = float.__float__(value)
    return value if 0.0 <= value < _INF else None


def end_times(began_ms: int, ended_ms: object, duration_s: object) -> dict[str, float] | None:
    """Fields of an end whose times are given, at least one of them; ``None`` if they cannot be.

    Without a duration it is what lies between the times.
    """
    times: dict[str, float] = {}
    if ended_ms is not None:
        if not is_time(ended_ms) or ended_ms < began_ms:
            return None
        times["finished_at_ms"] = ended_ms
        if duration_s is None:
            duration_s = (ended_ms - began_ms) / 1_000
    took_s = seconds(duration_s)
    if took_s is None or took_s > LONGEST_S:
        return None
    return times | {"duration_s": float(took_s)}


def size_of_end(event: TaskFinished, lengths: dict[str, int]) -> int:
    """The size of an event that is valid as far as can be told at a glance; otherwise -1.

    Its mappings are not looked at. ``lengths`` has those of agents and types that were found good
    before: there are few of them, and looking one up costs less than looking at it.
    """
    agent_id, task_id, task_type = event.agent_id, event.task_id, event.task_type
    began, ended, duration_s = event.started_at_ms, event.finished_at_ms, event.duration_s
    iterations, deployed = event.code_review_iterations, event.deployment_succeeded
    error, estimate_s, link = event.error_type, event.estimate_s, event.traceparent
    if (
        type(agent_id) is str
        and type(task_id) is str
        and type(task_type) is str
        and type(began) is int
        and type(ended) is int
        and type(duration_s) is float
        and 0 <= began <= ended < LATEST_MS
        and 0.0 <= duration_s <= LONGEST_S
        and type(event.succeeded) is bool
        and (iterations is None or (type(iterations) is int and 0 <= iterations <= MOST_ITERATIONS))
        and (deployed is None or deployed is True or deployed is False)
        and (error is None or (type(error) is str and len(error) <= LONGEST_ID and error.isascii()))
        and (estimate_s is None or (type(estimate_s) is float and 0.0 <= estimate_s < _INF))
        and type(event.context) is dict
        and type(event.outcome) is dict
        and event.sealed_context is None
        and event.sealed_outcome is None
        and (link is None or is_traceparent(link))
        and event.producer_id is None
        and event.seq is None
        and task_id.isascii()
    ):
        task = len(task_id)
        try:
            names = lengths[agent_id] + lengths[task_type]
        except KeyError:
            names = _learnt(agent_id, task_type, lengths=lengths)
        if names and task and task <= LONGEST_ID:
            size = END_SIZE + names + task
            return size if link is None else size + _LINK_SIZE
    return -1


def _learnt(*names: str, lengths: dict[str, int]) -> int:
    """Their length in all, noted in ``lengths`` while those are few.

    0 if one of them needs more than a glance.
    """
    if not all(0 < len(name) <= LONGEST_ID and name.isascii() for name in names):
        return 0
    if len(lengths) < _MOST_PLAIN:
        lengths.update({name: len(name) for name in names})
    return sum(map(len, names))


def size_of_start(event: TaskStarted) -> int:
    """``size_of_end`` for a start."""
    began, link = event.started_at_ms, event.traceparent
    if (
        type(began) is int
        and 0 <= began < LATEST_MS
        and _is_estimate(event.estimate_s)
        and type(event.context) is dict
        and event.sealed_context is None
        and (link is None or is_traceparent(link))
        and event.producer_id is None
        and event.seq is None
    ):
        size = START_SIZE if link is None else START_SIZE + _LINK_SIZE
        return _with_names(size, event.agent_id, event.task_id, event.task_type)
    return -1


def size_of_cancel(event: TaskCancelled) -> int:
    """``size_of_end`` for a cancellation."""
    at_ms, reason = event.cancelled_at_ms, event.reason
    if (
        type(at_ms) is int
        and 0 <= at_ms < LATEST_MS
        and type(reason) is str
        and len(reason) <= LONGEST_REASON
        and reason.isascii()
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
    return value is None or (type(value) is float and 0.0 <= value < _INF)


def _plain(value: object) -> ContextValue:
    """A string or number of a subclass, without its own methods; ``None`` if it is neither."""
    if is_a(value, str):
        text = str.__str__(value)
        return text if len(text) <= MAX_EVENT_BYTES and _is_encodable(text) else None
    if is_a(value, float):
        number = float.__float__(value)
        return number if -_INF < number < _INF else None
    if is_a(value, int):
        whole = int.__int__(value)
        return whole if _LEAST_INT <= whole < _LARGEST_INT else None
    return None


def _is_encodable(text: str) -> bool:
    """Whether it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

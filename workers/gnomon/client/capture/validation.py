"""Checks of whole arguments: identifiers, times and mappings, from types and lengths alone.

Only exact types pass, so the agent's code is not called, except where a docstring says it is.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeGuard

from gnomon.client.values import (
    INF,
    INT_LIMIT,
    MIN_INT,
    is_a,
    is_encodable,
    plain_text,
    seconds,
)
from gnomon.events import ContextValue
from gnomon.topics import MAX_EVENT_BYTES

LONGEST_ID: Final = 256
LONGEST_REASON: Final = 1_024
LATEST_MS: Final = 253_402_300_800_000
"""The first millisecond of the year 10000."""
LONGEST_S: Final = 9_000_000.0
MOST_ITERATIONS: Final = 100_000_000
MOST_ITEMS: Final = 1_000
"""Most items taken of a mapping that is no dict: its own code yields them, perhaps without end."""
_ITEM_SIZE: Final = 30
"""Bytes of JSON for quotes, colon and comma, and the longest number."""


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether ``value`` can be the id of an agent or a task, or a task's type."""
    return (
        type(value) is str
        and 0 < len(value) <= LONGEST_ID
        and (value.isascii() or is_encodable(value))
    )


def is_time(value: object) -> TypeGuard[int]:
    """Whether ``value`` can be when something happened."""
    return type(value) is int and 0 <= value < LATEST_MS


def flat(given: object) -> tuple[dict[str, ContextValue], int, int]:
    """Copy the items of an agent's mapping that can be sent. Does not raise.

    A value of a subclass, such as numpy's floats, is converted to the plain type.

    Returns:
        A copy of the items that are flat and finite, its size in bytes, and the number of the
        other items.
    """
    try:
        if type(given) is dict:
            return _exact_items(given.copy())
        return _converted_items(_items_of(given))
    except Exception:  # the agent's edge: a mapping of its own may raise anything
        return {}, 0, 1


def _exact_items(copy: dict[Any, Any]) -> tuple[dict[str, ContextValue], int, int]:
    """``flat`` for a dict of our own, which is returned itself if every item can be sent as it is."""
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
            if not MIN_INT <= value < INT_LIMIT:
                break
        elif kind is float:
            if not -INF < value < INF:
                break
        elif kind is not bool and value is not None:
            break
        size += len(name)
    else:
        return copy, size + _ITEM_SIZE * len(copy), 0
    return _converted_items(copy.items())


def _converted_items(items: Iterable[tuple[Any, Any]]) -> tuple[dict[str, ContextValue], int, int]:
    """``flat`` for a mapping of which some items must be converted or left out."""
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


def _items_of(given: object) -> Iterable[tuple[Any, Any]]:
    """Return the items of a mapping that is no dict; runs the mapping's own code."""
    if not isinstance(given, Mapping):
        raise TypeError
    return islice(given.items(), MOST_ITEMS)


def end_times(start_ms: int, end_ms: object, duration_s: object) -> dict[str, float] | None:
    """Return the fields of an end of which at least one time is given; ``None`` if one is invalid.

    A missing duration is the time between the start and the given end.
    """
    times: dict[str, float] = {}
    if end_ms is not None:
        if not is_time(end_ms) or end_ms < start_ms:
            return None
        times["finished_at_ms"] = end_ms
        if duration_s is None:
            duration_s = (end_ms - start_ms) / 1_000
    checked_s = seconds(duration_s)
    if checked_s is None or checked_s > LONGEST_S:
        return None
    return times | {"duration_s": float(checked_s)}


def _plain(value: object) -> ContextValue:
    """Convert a string or number of a subclass with the base class's methods; else ``None``."""
    if is_a(value, str):
        text = str.__str__(value)
        return text if len(text) <= MAX_EVENT_BYTES and is_encodable(text) else None
    if is_a(value, float):
        number = float.__float__(value)
        return number if -INF < number < INF else None
    if is_a(value, int):
        whole = int.__int__(value)
        return whole if MIN_INT <= whole < INT_LIMIT else None
    return None

"""Checks of single values that an agent gives. None of them runs the value's own code.

An agent may pass anything: a subclass of ``str`` whose methods raise, or an object whose
``__class__`` lies. So the type is taken from ``type(value)`` and a subclass is converted with the
base class's own methods.
"""

import math
import re
from typing import Final, TypeGuard, TypeVar

K = TypeVar("K")

INF: Final = math.inf
MIN_INT: Final = -(2**63)
INT_LIMIT: Final = 2**64
"""The contract's integers are from ``MIN_INT`` up to, and without, ``INT_LIMIT``."""
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""Version, trace id, parent id and flags: https://www.w3.org/TR/trace-context/#traceparent-header."""


def is_a(value: object, kind: type[K]) -> TypeGuard[K]:
    """Return ``isinstance(value, kind)`` without asking the value for its class."""
    return issubclass(type(value), kind)


def class_name(value: object) -> str:
    """Return the name of the value's class, read past any metaclass of the agent's."""
    name: str = type.__dict__["__qualname__"].__get__(type(value))
    return name


def plain_text(value: object, longest: int) -> str | None:
    """Return ``value`` as an exact ``str`` that can be encoded, cut to ``longest`` characters.

    Returns:
        ``None`` if ``value`` is no string, or has lone surrogates.
    """
    if type(value) is not str:
        if not is_a(value, str):
            return None
        value = str.__str__(value)
    value = value[:longest]
    return value if value.isascii() or is_encodable(value) else None


def is_encodable(text: str) -> bool:
    """Return whether ``text`` can be encoded as UTF-8, that is, has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def seconds(value: object) -> float | None:
    """Return ``value`` as a duration, or ``None`` if it is no finite number of 0 or more."""
    if type(value) is not float:
        if type(value) is int:
            return value if 0 <= value < INT_LIMIT else None
        if not is_a(value, float):
            return None
        value = float.__float__(value)
    return value if 0.0 <= value < INF else None


def is_traceparent(value: object) -> bool:
    """Return whether ``value`` is a W3C traceparent in the format of version 00."""
    return type(value) is str and _TRACEPARENT.fullmatch(value) is not None

"""What the client does with arguments that it cannot use: it counts or logs them and never raises.

Every public method takes ``**unknown``: an agent must not fail for a misspelt keyword, so it is
counted as invalid and ignored. Type checkers report it all the same. They take the type of
``**unknown`` from one of the ``TypedDict`` classes here (PEP 692), which have no misspelt keys, and
have the names of those parameters that are positional only at run time (see ``take_argument``).
"""

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, cast

from gnomon.client.process.log_limits import warn
from gnomon.client.values import class_name
from gnomon.errors import ConfigurationError
from gnomon.events import TaskEvent

T = TypeVar("T")


class NoKeywords(TypedDict):
    """The keywords of a method beside its parameters: none."""


class BrokersKeyword(TypedDict, total=False):
    """``brokers`` given by name."""

    brokers: str


class EnvironKeyword(TypedDict, total=False):
    """``environ`` given by name."""

    environ: Mapping[str, str]


class TaskTypeKeyword(TypedDict, total=False):
    """``task_type`` given by name."""

    task_type: str


class EventKeyword(TypedDict, total=False):
    """``event`` given by name."""

    event: TaskEvent | None


class TimeoutKeyword(TypedDict, total=False):
    """``timeout_s`` given by name."""

    timeout_s: float


class CloseTimeoutKeyword(TypedDict, total=False):
    """``timeout_s`` given by name, where it may be ``None``."""

    timeout_s: float | None


def take_argument(value: T, default: T, name: str, unknown: Mapping[str, Any]) -> T:
    """Return an argument that was given by position, or else by name, or else its default.

    Such a parameter is positional only. Given by name it arrives in ``unknown``, from which it is
    removed; given both ways, the name stays there to be counted as unknown, and nothing raises.
    """
    if value is not default:
        return value
    return cast("T", cast("dict[str, Any]", unknown).pop(name, default))


def log_disabled(error: Exception) -> None:
    """Log that a client does nothing because of ``error``.

    Of an error that is not gnomon's only the class is logged: its text may hold a secret.
    """
    ours = isinstance(error, ConfigurationError)
    warn("%s; nothing will be sent", str(error) if ours else class_name(error))

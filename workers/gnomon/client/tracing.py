"""Functions whose calls are tasks, and the trace that a task belongs to."""

import functools
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from gnomon.client.capture import wrapping
from gnomon.client.capture.leniency import take_argument
from gnomon.client.capture.process_bound import ProcessBound
from gnomon.client.capture.wrapping import Begin
from gnomon.client.values import is_traceparent
from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])


def current_traceparent() -> str | None:
    """Return the traceparent of OpenTelemetry's current span, if the agent uses OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    try:
        found = trace.get_current_span().get_span_context()  # type: ignore[union-attr]
        if not found.is_valid:
            return None
        value = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
    except Exception:  # the agent's edge: half imported, or a span of another library
        return None
    return value if is_traceparent(value) else None


def name_of(function: object) -> str:
    """Return the task type of ``function``: its name with its class, without enclosing functions."""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if not isinstance(name, str):
        name = type(function).__qualname__
    return name.rpartition("<locals>.")[2][-256:]


def traced(function: F, begin: Begin, refuse: Callable[[str], None]) -> F:
    """Return ``function`` so that each call runs inside a context manager made by ``begin``.

    Anything that is neither a function nor a method is refused and returned as it is. So is a class,
    because the result would not be a class.
    """
    given: Any = function
    if type(given) in {staticmethod, classmethod}:
        return cast("F", type(given)(traced(given.__func__, begin, refuse)))
    if not callable(function) or issubclass(type(function), type):
        refuse("only functions and methods can be traced")
        return function
    return cast("F", functools.wraps(function)(wrapping.around(function, begin)))


class NameKeyword(TypedDict, total=False):
    """``name`` of ``Client.traced`` given by name."""

    name: str | None


class CountsRefusals(Protocol):
    """Counts arguments that cannot be used."""

    def refuse(self, reason: str) -> None:
        """Count something invalid."""
        ...


class MakesTasks(Protocol):
    """The part of a client that its decorator uses."""

    @property
    def _intake(self) -> CountsRefusals: ...

    def task(
        self,
        task_type: str,
        /,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> AbstractContextManager[object]:
        """Return a task to use as ``with``."""
        ...


class Traceable(ProcessBound):
    """Gives a client its decorator."""

    __slots__ = ()

    @overload
    def traced(self, name: F, /) -> F: ...

    @overload
    def traced(
        self,
        name: str | None = None,
        /,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        **unknown: Unpack[NameKeyword],
    ) -> Callable[[F], F]: ...

    def traced(
        self: MakesTasks,
        name: str | F | None = None,
        /,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        **unknown: Unpack[NameKeyword],
    ) -> F | Callable[[F], F]:
        """Return a decorator that makes a task of each call. Works with or without arguments.

        For ``def``, ``async def`` and both kinds of generators; a generator is a task from its first
        item until it ends or is closed. Values and exceptions pass through unchanged. A coroutine or
        generator that a ``def`` returns is returned inside another one, and the task ends with it;
        a future ends the task when it is done. A class, and anything else that is no function, is
        counted and returned as it is.

        Args:
            name: The task type; by default the function's name, with its class.
            agent_id: As in ``task``.
            estimate_s: As in ``task``.
            context: As in ``task``.
            unknown: Counted as invalid and ignored.
        """
        refuse = self._intake.refuse
        name = take_argument(name, None, "name", unknown)
        if unknown:
            refuse("unknown argument")

        def decorate(function: F) -> F:
            task_type = name if type(name) is str else name_of(function)

            def begin() -> AbstractContextManager[object]:
                return self.task(
                    task_type, agent_id=agent_id, estimate_s=estimate_s, context=context
                )

            return traced(function, begin, refuse)

        return decorate if name is None or type(name) is str else decorate(cast("F", name))

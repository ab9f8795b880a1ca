"""Functions whose calls are tasks, and the trace a task belongs to."""

import functools
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar, cast, overload

from gnomon.client.capture import wrapping
from gnomon.client.capture.shared import Shared
from gnomon.client.capture.wrapping import Begin
from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""Version, trace id, parent id and flags: https://www.w3.org/TR/trace-context/#traceparent-header."""


def is_traceparent(value: object) -> bool:
    """Whether it is one, in the format of version 00."""
    return type(value) is str and _TRACEPARENT.fullmatch(value) is not None


def current_traceparent() -> str | None:
    """That of OpenTelemetry's current span, where the agent uses OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    try:
        found = trace.get_current_span().get_span_context()  # type: ignore[union-attr]
        if not found.is_valid:
            return None
        value = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
    except Exception:  # the agent's edge: half imported, or a span of somebody else's
        return None
    return value if is_traceparent(value) else None


def name_of(function: object) -> str:
    """What a task of ``function`` is called: its name, with its class, without what is around."""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if not isinstance(name, str):
        name = type(function).__qualname__
    return name.rpartition("<locals>.")[2][-256:]


def traced(function: F, begin: Begin, refuse: Callable[[str], None]) -> F:
    """``function``, each call of which runs inside a context manager that ``begin`` makes.

    What is no function, and no method of either kind, is refused and given back as it is: a class
    too, which would be none any more.
    """
    given: Any = function
    if type(given) in {staticmethod, classmethod}:
        return cast("F", type(given)(traced(given.__func__, begin, refuse)))
    if not callable(function) or issubclass(type(function), type):
        refuse("what is traced must be a function")
        return function
    return cast("F", functools.wraps(function)(wrapping.around(function, begin)))


class Refuses(Protocol):
    """What counts what cannot be used."""

    def refuse(self, reason: str) -> None:
        """Count something invalid."""
        ...


class MakesTasks(Protocol):
    """What a decorator needs of a client."""

    @property
    def _outlet(self) -> Refuses: ...

    def task(
        self,
        task_type: str,
        /,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> AbstractContextManager[object]:
        """A task to use as ``with``."""
        ...


class Traceable(Shared):
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
        **unknown: object,
    ) -> Callable[[F], F]: ...

    def traced(
        self: MakesTasks,
        name: str | F | None = None,
        /,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        **unknown: object,
    ) -> F | Callable[[F], F]:
        """A decorator: each call of the function is a task. With or without arguments.

        For ``def``, ``async def``, and both kinds of generators, which are tasks from their first
        item until they end or are closed. Values and exceptions pass through as they are; but a
        coroutine or a generator that a ``def`` returns is returned inside another, and the task
        ends with it, as it does with a future. What is no function, as a class, is counted and
        left as it is.

        Args:
            name: What kind of work it is; by default the function's name, with its class.
            agent_id: As in ``task``.
            estimate_s: As in ``task``.
            context: As in ``task``.
            unknown: Counted as invalid and ignored.
        """
        refuse = self._outlet.refuse
        if name is None:
            name = cast("str | None", unknown.pop("name", None))
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

"""Functions whose calls are tasks, and the trace a task belongs to."""

import functools
import inspect
import re
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar, cast, overload

from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])
Begin = Callable[[], AbstractContextManager[object]]

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


def traced(function: F, begin: Begin) -> F:
    """``function``, each call of which runs inside a context manager that ``begin`` makes.

    What is no function, and no method of either kind, is given back as it is.
    """
    given: Any = function
    if type(given) in {staticmethod, classmethod}:
        return cast("F", type(given)(traced(given.__func__, begin)))
    if not callable(function):
        return function
    if inspect.isasyncgenfunction(function):
        return cast("F", _async_generator(function, begin))
    if inspect.isgeneratorfunction(function):
        return cast("F", _generator(function, begin))
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the method, not whether there is one
    ):
        return cast("F", _coroutine(function, begin))

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with begin():
            return function(*args, **kwargs)

    return cast("F", called)


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with begin():
            return await function(*args, **kwargs)

    return awaited


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with begin():
            return (yield from function(*args, **kwargs))

    return generated


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def generated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with begin():
            inner = function(*args, **kwargs)
            step = inner.__anext__()
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    return
                thrown: BaseException | None = None
                try:
                    sent = yield item
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # it is the inner one's to handle
                    thrown = error
                step = inner.asend(sent) if thrown is None else inner.athrow(thrown)

    return generated


class MakesTasks(Protocol):
    """What a decorator needs of a client."""

    def task(
        self,
        task_type: str,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> AbstractContextManager[object]:
        """A task to use as ``with``."""
        ...


class Traceable:
    """Gives a client its decorator."""

    __slots__ = ()

    @overload
    def traced(self, name: F) -> F: ...

    @overload
    def traced(
        self,
        name: str | None = None,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> Callable[[F], F]: ...

    def traced(
        self: MakesTasks,
        name: str | F | None = None,
        *,
        agent_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> F | Callable[[F], F]:
        """A decorator: each call of the function is a task. With or without arguments.

        For ``def``, ``async def``, and both kinds of generators, which are tasks from their first
        item until they end or are closed. Values and exceptions pass through as they are.

        Args:
            name: What kind of work it is; by default the function's name, with its class.
            agent_id: As in ``task``.
            estimate_s: As in ``task``.
            context: As in ``task``.
        """

        def decorate(function: F) -> F:
            task_type = name if type(name) is str else name_of(function)

            def begin() -> AbstractContextManager[object]:
                return self.task(
                    task_type, agent_id=agent_id, estimate_s=estimate_s, context=context
                )

            return traced(function, begin)

        return decorate if name is None or type(name) is str else decorate(cast("F", name))

"""Functions whose calls are tasks, and the trace a task belongs to."""

import functools
import inspect
import re
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar, cast

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


def traced(function: F, begin: Callable[[], Any]) -> F:
    """``function``, each call of which runs inside a context manager that ``begin`` makes.

    For ``def``, ``async def``, generators and asynchronous generators: those are inside from their
    first item until they end or are closed. Values and exceptions pass through as they are.
    """
    if isinstance(function, staticmethod | classmethod):
        return cast("F", type(function)(traced(function.__func__, begin)))
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

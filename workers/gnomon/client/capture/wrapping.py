"""Wraps functions so that each call is a task, by the kind of function and of its result."""

import asyncio
import concurrent.futures
import contextlib
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

Block = AbstractContextManager[object]
Begin = Callable[[], Block]

_FUTURES: Final = (asyncio.Future, concurrent.futures.Future)


def around(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """Return a function of the same kind, each call of which runs inside a block made by ``begin``.

    A generator is inside the block from its first item until it ends or is closed. The result of a
    ``def`` may go on after the call: a future is returned itself, and the block is left when it is
    done; a coroutine or a generator is returned inside another one that passes everything on. Any
    other awaitable or iterable is returned as it is, and the block is left at once.
    """
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the method, not whether there is one
    ):
        return _coroutine(function, begin)

    def called(*args: Any, **kwargs: Any) -> Any:
        block = begin()
        block.__enter__()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            block.__exit__(type(error), error, error.__traceback__)
            raise
        return _until_done(result, block)

    return called


def _until_done(result: Any, block: Block) -> Any:
    """Return ``result``, or a wrapper of it, and leave ``block`` when it is done."""

    def call() -> Any:
        return result

    def begin() -> Block:
        return _Entered(block)

    if inspect.iscoroutine(result):
        return _named(_coroutine(call, begin)(), result)
    if inspect.isgenerator(result):
        wrapper = _generator(call, begin, primed=True)()
        next(wrapper)
        return _named(wrapper, result)
    if inspect.isasyncgen(result):
        wrapper = _async_generator(call, begin, primed=True)()
        with contextlib.suppress(StopIteration):  # it awaits nothing before its first item
            wrapper.asend(None).send(None)
        return _named(wrapper, result)
    if not (issubclass(type(result), _FUTURES) and _watch(result, block)):
        block.__exit__(None, None, None)
    return result


class _Entered(AbstractContextManager[object]):
    """A block that has been entered before; only leaving it is left to do."""

    def __init__(self, block: Block) -> None:
        self._block = block

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, traceback)


def _named(wrapper: Any, result: Any) -> Any:
    wrapper.__name__, wrapper.__qualname__ = result.__name__, result.__qualname__
    return wrapper


def _watch(future: Any, block: Block) -> bool:
    """Leave ``block`` when ``future`` is done; return whether that can be observed."""

    def leave(done: Any) -> None:
        # Not ``exception()``: asyncio would no longer warn that the exception was never retrieved.
        error = asyncio.CancelledError() if done.cancelled() else getattr(done, "_exception", None)
        block.__exit__(None if error is None else type(error), error, None)

    try:
        if future.done():
            leave(future)
        elif isinstance(future, asyncio.Future) and future.get_loop().is_closed():
            return False  # with a callback it could not be cancelled any more
        else:
            future.add_done_callback(leave)
    except Exception:  # the agent's edge: a future of its own
        return False
    return True


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with begin():
            return await function(*args, **kwargs)

    return awaited


def _generator(
    function: Callable[..., Any], begin: Begin, *, primed: bool = False
) -> Callable[..., Any]:
    """Wrap a generator function.

    With ``primed`` the first item is an extra one. A generator that has yielded it is inside the
    block, so that closing it leaves the block.
    """

    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with begin():
            inner = function(*args, **kwargs)
            if primed:
                inner = _relayed(inner)
            return (yield from inner)

    return generated


def _relayed(inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Yield an extra item, which the caller drops, and then everything of ``inner``."""
    item: Any = None
    while True:
        thrown: BaseException | None = None
        sent: Any = None
        try:
            sent = yield item
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # ``inner`` may handle it
            thrown = error
        try:
            item = inner.send(sent) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            return stop.value


def _async_generator(
    function: Callable[..., Any], begin: Begin, *, primed: bool = False
) -> Callable[..., Any]:
    """Wrap an asynchronous generator function; ``primed`` as in ``_generator``."""

    async def generated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with begin():
            inner = function(*args, **kwargs)
            item: Any = None
            step = None if primed else inner.__anext__()
            while True:
                if step is not None:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                thrown: BaseException | None = None
                sent: Any = None
                try:
                    sent = yield item
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # ``inner`` may handle it
                    thrown = error
                step = inner.asend(sent) if thrown is None else inner.athrow(thrown)

    return generated

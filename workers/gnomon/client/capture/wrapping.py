"""Calls that are tasks: what is put around a function, by its kind and by what it returns."""

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
    """A function of the same kind, each call of which runs inside a block that ``begin`` makes.

    Generators are inside from their first item until they end or are closed. What a ``def``
    returns may go on: a future is returned itself, and is inside until it is done; coroutines and
    generators are returned inside others that pass everything on. Whatever else can be awaited or
    iterated is returned as it is, and the block left at once.
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
        return _until_over(result, block)

    return called


def _until_over(result: Any, block: Block) -> Any:
    """``result``, or what stands in for it, with which ``block`` is left."""

    def given() -> Any:
        return result

    def entered() -> Block:
        return _Entered(block)

    if inspect.iscoroutine(result):
        return _named(_coroutine(given, entered)(), result)
    if inspect.isgenerator(result):
        stand_in = _generator(given, entered, primed=True)()
        next(stand_in)
        return _named(stand_in, result)
    if inspect.isasyncgen(result):
        stand_in = _async_generator(given, entered, primed=True)()
        with contextlib.suppress(StopIteration):  # it waits for nothing yet
            stand_in.asend(None).send(None)
        return _named(stand_in, result)
    if not (issubclass(type(result), _FUTURES) and _watch(result, block)):
        block.__exit__(None, None, None)
    return result


class _Entered(AbstractContextManager[object]):
    """The rest of a block that has been entered."""

    def __init__(self, block: Block) -> None:
        self._block = block

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, traceback)


def _named(stand_in: Any, result: Any) -> Any:
    stand_in.__name__, stand_in.__qualname__ = result.__name__, result.__qualname__
    return stand_in


def _watch(future: Any, block: Block) -> bool:
    """Leave ``block`` when ``future`` is done; returns whether that can be told."""

    def leave(done: Any) -> None:
        # Not ``exception()``: asyncio would no longer say that nobody has asked for it.
        error = asyncio.CancelledError() if done.cancelled() else getattr(done, "_exception", None)
        block.__exit__(None if error is None else type(error), error, None)

    try:
        if future.done():
            leave(future)
        elif isinstance(future, asyncio.Future) and future.get_loop().is_closed():
            return False  # with a callback it could not even be cancelled
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
    """With ``primed`` its first item is none of ``function``'s: once there, it can be closed."""

    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with begin():
            inner = function(*args, **kwargs)
            if primed:
                inner = _relayed(inner)
            return (yield from inner)

    return generated


def _relayed(inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """``inner`` behind an item that is for nobody."""
    item: Any = None
    while True:
        thrown: BaseException | None = None
        sent: Any = None
        try:
            sent = yield item
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # it is the inner one's to handle
            thrown = error
        try:
            item = inner.send(sent) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            return stop.value


def _async_generator(
    function: Callable[..., Any], begin: Begin, *, primed: bool = False
) -> Callable[..., Any]:
    """``primed`` as of ``_generator``."""

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
                except BaseException as error:  # it is the inner one's to handle
                    thrown = error
                step = inner.asend(sent) if thrown is None else inner.athrow(thrown)

    return generated

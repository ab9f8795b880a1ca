"""Wait for something to become true, for a bounded time. The one place in the tests that sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

_EVERY_S = 0.05
T = TypeVar("T")


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], *, timeout_s: float = 60.0, what: str
) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, timeout_s: float = 60.0, what: str) -> T: ...
async def eventually(check: Callable[[], object], *, timeout_s: float = 60.0, what: str) -> object:
    """Call ``check``, plain or async, until it returns something true; return that."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = check()
        result = await found if inspect.isawaitable(found) else found
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {result!r}")
        await asyncio.sleep(_EVERY_S)


def eventually_sync(check: Callable[[], T], *, timeout_s: float = 60.0, what: str) -> T:
    """``eventually`` for tests that are not coroutines."""
    deadline = time.monotonic() + timeout_s
    while True:
        if result := check():
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {result!r}")
        time.sleep(_EVERY_S)

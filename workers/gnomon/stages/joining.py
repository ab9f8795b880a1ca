"""Lets one call handle what several partitions wait for.

A call of a model or of a database costs nearly the same for one record as for twenty, so a worker with many
partitions would need many times the processor time of one with few. While a call is under way, what the other
partitions bring waits, and the next call handles all of it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class Waiting(Generic[Item, Result]):
    """An item, and the future that its result is set to."""

    item: Item
    done: asyncio.Future[Result]


class Joining(Generic[Item, Result]):
    """Makes one call at a time, or a few, for all items that wait.

    Args:
        call: Handles items, and sets the result of each; an error that it raises is that of all its items.
        size: Returns the size of an item.
        most: A call gets no further item after this size.
        at_once: How many calls may be under way.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Waiting[Item, Result]]], Awaitable[None]],
        *,
        size: Callable[[Item], int],
        most: int,
        at_once: int = 1,
    ) -> None:
        self._call, self._size, self._most, self._at_once = call, size, most, at_once
        self._waiting: deque[Waiting[Item, Result]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self._running

    async def result_of(self, item: Item) -> Result:
        """Return the result of ``item``, or raise the error of its call."""
        waiting = Waiting[Item, Result](item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._running) < self._at_once:
            running = asyncio.create_task(self._handle_waiting())
            self._running.add(running)
            running.add_done_callback(self._running.discard)  # it may be cancelled before it begins
        return await waiting.done

    def close(self) -> None:
        """Stop; whoever waits is cancelled."""
        for running in self._running:
            running.cancel()
        for waiting in self._waiting:
            waiting.done.cancel()
        self._waiting.clear()

    async def _handle_waiting(self) -> None:
        running = asyncio.current_task()
        taken: list[Waiting[Item, Result]] = []
        try:
            while taken := self._taken():
                try:
                    await self._call(taken)
                except Exception as error:  # the edge of a task: each of those who wait raises it
                    for waiting in taken:
                        if not waiting.done.done():
                            waiting.done.set_exception(error)
        finally:
            # At once: an item that comes before the callback must find that no call takes it.
            if running is not None:
                self._running.discard(running)
            for waiting in taken:
                waiting.done.cancel()

    def _taken(self) -> list[Waiting[Item, Result]]:
        """Remove and return the items of the next call, without those that nobody waits for."""
        taken: list[Waiting[Item, Result]] = []
        size = 0
        while self._waiting and size < self._most:
            waiting = self._waiting.popleft()
            if not waiting.done.done():
                taken.append(waiting)
                size += self._size(waiting.item)
        return taken

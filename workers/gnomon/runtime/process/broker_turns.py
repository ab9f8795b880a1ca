"""Lets one child at a time start while no broker answers: each start costs seconds of processor time."""

import asyncio


class BrokerTurns:
    """Whose turn it is to look for a broker. At first one is taken to be there."""

    def __init__(self) -> None:
        self._answers = True
        self._trying: object = None
        self._free = asyncio.Event()
        self._free.set()

    async def take(self, child: object) -> None:
        """Wait until the broker answers, or until no other child is looking for it."""
        while not self._free.is_set():
            await self._free.wait()
        if not self._answers:
            self._trying = child
            self._free.clear()

    def answered(self) -> None:
        """Let all children start: the broker has answered one of them."""
        self._answers = True
        self._trying = None
        self._free.set()

    def ended(self, child: object, *, no_broker: bool) -> None:
        """Give the turn to the next child if ``child`` had it."""
        if no_broker:
            self._answers = False
        if self._trying is child:
            self._trying = None
            self._free.set()

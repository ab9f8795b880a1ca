"""Starts the broker on this machine again when it has ended by itself."""

import asyncio
import contextlib
import logging
from typing import Protocol

from gnomon.errors import GnomonError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
FIRST_WAIT_S = 0.5
MAX_WAIT_S = 15.0


class Broker(Protocol):
    """A broker that may end; an ``EmbeddedBroker`` is one."""

    @property
    def pid(self) -> int | None:
        """Its process id; ``None`` if it does not run."""
        ...

    def start(self) -> str:
        """Start it on the same port and files. Blocks.

        Raises:
            GnomonError: It cannot start.
        """
        ...


class KeptBroker:
    """Watches a running broker until ``close``, and starts it on the same port and files.

    Attributes:
        restarts: How often it was started again.
        trouble: Why it does not run; empty while it does.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.restarts = 0
        self.trouble = ""
        self._closing = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop watching; a start that is under way is waited for."""
        self._closing.set()
        await self._keeping

    async def _keep(self) -> None:
        wait_s = FIRST_WAIT_S
        while not await self._closed_within(LOOK_EVERY_S):
            if self._broker.pid is not None:
                continue
            self.trouble = self.trouble or "ended by itself, is started again"
            try:
                await asyncio.to_thread(self._broker.start)
            except (GnomonError, OSError) as error:
                self.trouble = str(error).partition("\n")[0]
                logger.warning("broker.not_started", extra={"reason": self.trouble})
                if await self._closed_within(wait_s):
                    return
                wait_s = min(2 * wait_s, MAX_WAIT_S)
            else:
                self.restarts += 1
                self.trouble, wait_s = "", FIRST_WAIT_S

    async def _closed_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()

"""Looks for dead letters while a replay waits, because what was refused never becomes a decision."""

import asyncio
from typing import Final

from gnomon.connection import KafkaConnection
from gnomon.operations.dead_letters import DeadLetterFilter, read_dead_letters
from gnomon.operations.local_stack import StackError

LOOK_EVERY_S: Final = 2.0


class Refusals:
    """Looks for the dead letters of one replay.

    Args:
        kafka: How to reach the brokers.
        prefix: Prefix of the replay's topics.
    """

    def __init__(self, *, kafka: KafkaConnection, prefix: str) -> None:
        self._kafka, self._prefix = kafka, prefix
        self._looked_s = 0.0

    async def check(self) -> None:
        """Look, unless that was done a moment ago.

        Raises:
            StackError: A record was refused; the message says why.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        dead_letters = [
            each
            async for each in read_dead_letters(
                kafka=self._kafka, prefix=self._prefix, selected=DeadLetterFilter()
            )
        ]
        if dead_letters:
            first = dead_letters[0].headers
            raise StackError(
                f"the stages refused {len(dead_letters)} records, the first in {first.get('stage')}:"
                f" {first.get('reason')}: {first.get('detail')}"
            )

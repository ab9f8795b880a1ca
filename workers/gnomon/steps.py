"""Long computations on an event loop, in short steps with a chance for others between them."""

import asyncio
import time
from collections.abc import Generator
from typing import Final

Steps = Generator[None, None, bytes]
"""Yields after each step, and returns the result."""

TURN_S: Final = 0.005
"""How long the steps of one turn may take before others get theirs."""


def finish(steps: Steps) -> bytes:
    """Take all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: bytes = end.value
            return result


async def take_turns(steps: Steps) -> bytes:
    """Take all steps; the event loop serves others after each ``TURN_S``."""
    turn_ends_s = time.perf_counter() + TURN_S
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: bytes = end.value
            return result
        if time.perf_counter() >= turn_ends_s:
            await asyncio.sleep(0)
            turn_ends_s = time.perf_counter() + TURN_S

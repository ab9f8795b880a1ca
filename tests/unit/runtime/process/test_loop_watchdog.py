"""The watchdog ends a process that cannot end by itself."""

import asyncio
import threading
from pathlib import Path

import pytest

from gnomon.runtime.process.loop_watchdog import Watchdog


class Ended:
    """Replaces the end of the process: records whether it happened, and with which status."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._set = threading.Event()

    def __call__(self, status: int) -> None:
        self.status = status
        self._set.set()

    def wait(self, timeout_s: float) -> bool:
        return self._set.wait(timeout_s)


@pytest.fixture
def ended() -> Ended:
    return Ended()


async def test_a_loop_that_runs_is_left_alone(ended: Ended) -> None:
    # A busy machine may keep the loop from running for some tenths of a second.
    watchdog = Watchdog(limit_s=1.0, end=ended)
    watchdog.start()

    assert not await asyncio.to_thread(ended.wait, 1.5)

    watchdog.stop()


async def test_a_loop_that_is_stuck_ends_with_its_process(
    ended: Ended, capfd: pytest.CaptureFixture[str]
) -> None:
    watchdog = Watchdog(limit_s=0.2, end=ended)
    watchdog.start()
    await asyncio.sleep(0)

    ended.wait(5)  # blocks the thread of the loop

    assert ended.status == 1
    assert Path(__file__).name in capfd.readouterr().err  # where it is stuck


async def test_an_end_that_takes_too_long_is_cut_short(ended: Ended) -> None:
    watchdog = Watchdog(limit_s=60, end=ended)
    watchdog.start()

    watchdog.end_within(0.2, status=0)

    assert await asyncio.to_thread(ended.wait, 5)
    assert ended.status == 0

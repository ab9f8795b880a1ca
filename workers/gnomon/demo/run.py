"""The demo: broker, workers, registry and a fleet; trains as decisions come; ends in a verdict."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gnomon.demo.watch import Picture, Watch
from gnomon.runtime.overview import overview
from gnomon.runtime.stack import LocalStack

FIRST_TRAINING = 100
"""Decisions before the first training; then at twice as many each time."""
SETTLE_S = 15.0
POLL_S = 0.25
FLEET_STOP_S = 15.0
Show = Callable[[Picture, float, str], None]


class Trainer(Protocol):
    """Trains and registers a version; both calls block."""

    def stored(self) -> int:
        """Decisions in the vault."""
        ...

    def train(self) -> str:
        """Train on all of them; the new version."""
        ...


class Demo:
    """One run of the demo over a running stack.

    Args:
        stack: Whose stages work.
        trainer: Makes new versions.
        show: Told what is known, several times a second.
        seed: Of the fleet.
    """

    def __init__(self, stack: LocalStack, *, trainer: Trainer, show: Show, seed: int) -> None:
        self._stack, self._trainer, self._show, self._seed = stack, trainer, show, seed
        self._step = "the fleet is starting"

    async def run(self, *, seconds: float) -> Picture:
        """Let the fleet work for ``seconds``; return what was known at the end."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + seconds
        async with Watch(self._stack) as watch:
            fleet = await self._start_fleet(seconds)
            training = asyncio.create_task(self._train_as_decisions_come())
            try:
                while loop.time() < deadline_s and fleet.returncode is None:
                    self._stack.check()
                    self._show(watch.picture(), max(0.0, deadline_s - loop.time()), self._step)
                    await asyncio.sleep(POLL_S)
            finally:
                training.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await training
                await _end(fleet)
            return await self._settle(watch)

    async def _settle(self, watch: Watch) -> Picture:
        """Wait, for a bounded time, until everything that was published is stored and counted."""
        settings = self._stack.settings
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLE_S
        self._step = "waiting for the last outcomes"
        while loop.time() < deadline_s:
            # In the order of the pipeline, so none behind is one that has nothing to come.
            stages = await overview(brokers=settings.brokers, prefix=settings.topic_prefix)
            stored = await asyncio.to_thread(self._trainer.stored)
            picture = watch.picture()
            self._show(picture, 0.0, self._step)
            behind = any(stage.lag for stage in stages) or picture.ledger.pending
            if not behind and 0 < picture.ledger.predictions == stored:
                break
            await asyncio.sleep(POLL_S)
        return await watch.last_picture()

    async def _start_fleet(self, seconds: float) -> asyncio.subprocess.Process:
        settings = self._stack.settings
        log = Path(settings.data_dir) / "fleet.log"
        with log.open("wb") as file:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gnomon.demo.fleet", "--brokers", settings.brokers),
                *("--prefix", settings.topic_prefix, "--seconds", f"{seconds + 5:.0f}"),
                *("--seed", str(self._seed)),
                stdin=asyncio.subprocess.PIPE,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    async def _train_as_decisions_come(self) -> None:
        due = FIRST_TRAINING
        while True:
            self._step = f"training at {due} decisions"
            while await asyncio.to_thread(self._trainer.stored) < due:  # noqa: ASYNC110  it is polled
                await asyncio.sleep(POLL_S)
            self._step = f"training on {due} decisions"
            version = await asyncio.to_thread(self._trainer.train)
            self._step = f"version {version} goes live"
            while not await self._live(version):  # noqa: ASYNC110  it is polled
                await asyncio.sleep(POLL_S)
            due *= 2

    async def _live(self, version: str) -> bool:
        status = await self._stack.status("shadow")
        return status is not None and any(m["version"] == version for m in status["models"])


async def _end(fleet: asyncio.subprocess.Process) -> None:
    if fleet.returncode is not None:
        return
    fleet.terminate()
    try:
        await asyncio.wait_for(fleet.wait(), FLEET_STOP_S)
    except TimeoutError:
        fleet.kill()
        await fleet.wait()

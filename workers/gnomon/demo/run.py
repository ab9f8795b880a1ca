"""Performs one run of the demo: starts the fleet, and trains models while decisions arrive."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gnomon.broker.guarded_process import guarded
from gnomon.operations.lag import overview
from gnomon.operations.local_stack import LocalStack
from gnomon.up.watch import PipelineState, PipelineWatcher
from gnomon.verdict.settings import BASELINES

FIRST_TRAINING = 100
"""Number of decisions at the first training. Each later training needs twice as many."""
FIRST_VERSION_S = 90.0
"""How much longer the demo runs if no trained version has predicted yet: a slow machine trains slowly."""
SETTLE_S = 15.0
POLL_S = 0.25
FLEET_STOP_S = 15.0
Show = Callable[[PipelineState, float, str], None]


class Trainer(Protocol):
    """Trains and registers model versions. Both methods block."""

    def stored(self) -> int:
        """Return the number of decisions in the vault."""
        ...

    def train(self) -> str:
        """Train on all decisions; return the new version."""
        ...


class Demo:
    """One run of the demo on a running stack.

    Args:
        stack: Broker and workers.
        trainer: Trains new versions.
        show: Called several times a second with the state of the pipeline.
        seed: Seed of the fleet.
    """

    def __init__(self, stack: LocalStack, *, trainer: Trainer, show: Show, seed: int) -> None:
        self._stack, self._trainer, self._show, self._seed = stack, trainer, show, seed
        self._step = "the fleet is starting"

    async def run(self, *, seconds: float) -> PipelineState:
        """Run the fleet for ``seconds``; return the state of the pipeline at the end.

        The run is prolonged, by at most ``FIRST_VERSION_S``, until a trained version has predicted.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + seconds
        async with PipelineWatcher(self._stack) as watch:
            fleet = await self._start_fleet(seconds + FIRST_VERSION_S)
            training = asyncio.create_task(self._train_as_decisions_come())
            try:
                while fleet.returncode is None:
                    self._stack.check()
                    state, left_s = watch.state(), deadline_s - loop.time()
                    if left_s <= 0 and (_a_version_predicted(state) or left_s < -FIRST_VERSION_S):
                        break
                    self._show(state, max(0.0, left_s), self._step)
                    await asyncio.sleep(POLL_S)
            finally:
                training.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await training
                await end_guarded(fleet, within_s=FLEET_STOP_S)
            return await self._settle(watch)

    async def _settle(self, watch: PipelineWatcher) -> PipelineState:
        """Wait, for a limited time, until every published task is stored and counted."""
        settings = self._stack.settings
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLE_S
        self._step = "waiting for the last outcomes"
        while loop.time() < deadline_s:
            # The stages are asked in the order of the pipeline: a stage without lag then also has
            # no more input from the stages before it.
            stages = await overview(kafka=settings.kafka, prefix=settings.topic_prefix)
            stored = await asyncio.to_thread(self._trainer.stored)
            state = watch.state()
            self._show(state, 0.0, self._step)
            behind = any(stage.lag for stage in stages) or state.ledger.pending
            if not behind and 0 < state.ledger.predictions == stored:
                break
            await asyncio.sleep(POLL_S)
        return await watch.last_state()

    async def _start_fleet(self, seconds: float) -> asyncio.subprocess.Process:
        settings = self._stack.settings
        log = Path(settings.data_dir) / "fleet.log"
        with log.open("wb") as file:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *guarded("-m", "gnomon.demo.fleet", "--brokers", settings.brokers),
                *("--prefix", settings.topic_prefix, "--seconds", f"{seconds + 5:.0f}"),
                *("--seed", str(self._seed)),
                stdin=asyncio.subprocess.PIPE,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env=settings.environ_of_child(os.environ),
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


def _a_version_predicted(state: PipelineState) -> bool:
    return any(model.name not in BASELINES for model in state.models)


async def end_guarded(guard: asyncio.subprocess.Process, *, within_s: float) -> None:
    """End a program that runs under a guard (``gnomon.broker.guard``); it has ended when this returns.

    Args:
        guard: The guard, with its standard input.
        within_s: How long the program may take after SIGTERM before it is killed.
    """
    if guard.returncode is not None:
        return
    guard.terminate()
    try:
        await asyncio.wait_for(guard.wait(), within_s)
    except TimeoutError:
        if guard.stdin is None:
            raise
        guard.stdin.write(b"K")  # if the guard were killed, nobody would wait for the program
        await guard.wait()

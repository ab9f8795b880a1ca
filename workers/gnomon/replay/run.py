"""Publishes recorded runs to the real stages, and trains models while runs finish.

The evaluation is prequential: each run is predicted only by versions that were trained on runs
which finished before it began. Before a training, the replay waits until every published start is
predicted and every published finish is in the vault. It publishes later runs only when the new
version predicts.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from aiokafka import AIOKafkaProducer

from gnomon.codec import encode, event_time_ms
from gnomon.connection import aiokafka_clients
from gnomon.events import TaskCancelled, TaskStarted
from gnomon.models.runs import MIN_DECISIONS
from gnomon.operations.local_stack import LocalStack, StackError
from gnomon.replay.plan import Planned
from gnomon.replay.refusals import LOOK_EVERY_S, Refusals
from gnomon.topics import TASK_EVENTS

STALL_S = 120.0
POLL_S = 0.05


class Trainer(Protocol):
    """Trains and registers model versions. Both methods block."""

    def stored(self) -> int:
        """Return the number of decisions in the vault."""
        ...

    def train(self) -> str:
        """Train on all decisions; return the new version."""
        ...


@dataclass(slots=True)
class Progress:
    """Progress of a replay, for display: ``ends`` counts finished runs, and cancelled ones."""

    starts: int = 0
    ends: int = 0
    finishes: int = 0
    step: str = "publishing"
    version: str = "-"


class _Ledger(msgspec.Struct, frozen=True):
    """The counts of the ledger that are waited for; other fields are ignored."""

    predictions: int = 0
    matched: int = 0
    expired: int = 0
    cancelled: int = 0
    duplicate: int = 0
    late: int = 0
    orphan: int = 0


def _read_ends(ledger: _Ledger) -> int:
    """Return how many ends were read, whatever became of them."""
    return ledger.matched + ledger.cancelled + ledger.late + ledger.duplicate + ledger.orphan


class Replay:
    """One replay on a running stack.

    Args:
        stack: Broker and workers.
        trainer: Trains new versions.
        train_every: Finished runs between two trainings; 0 for no training.
        settle_every: Finished runs between two waits until later predictions know of all that was
            published; 0 for no waiting.
        speed: Seconds of event time per second; ``None`` for as fast as possible.
        show: Called with the progress at each step.
    """

    def __init__(
        self,
        stack: LocalStack,
        *,
        trainer: Trainer,
        train_every: int,
        settle_every: int = 0,
        speed: float | None,
        show: Callable[[Progress], None],
    ) -> None:
        self._stack, self._trainer = stack, trainer
        self._train_every, self._settle_every = train_every, settle_every
        self._speed, self._show = speed, show
        self._progress = Progress()
        self._refusals = Refusals(kafka=stack.settings.kafka, prefix=stack.settings.topic_prefix)

    async def run(self, events: Sequence[Planned]) -> None:
        """Publish ``events`` in their order, and wait until all decisions are in the vault.

        Raises:
            StackError: A stage stopped or refused a record, or there was no progress for
                ``STALL_S`` seconds.
        """
        settings = self._stack.settings
        topic = settings.topic_prefix + TASK_EVENTS.name
        producer = aiokafka_clients.producer(settings.kafka, enable_idempotence=True, linger_ms=5)
        await producer.start()
        try:
            await self._publish(producer, topic, events)
            await producer.flush()
        finally:
            await producer.stop()
        self._step("waiting for the last decisions")
        await self._drained()

    async def _publish(
        self, producer: AIOKafkaProducer, topic: str, events: Sequence[Planned]
    ) -> None:
        loop = asyncio.get_running_loop()
        began_s, first_ms = loop.time(), event_time_ms(events[0]) if events else 0
        progress = self._progress
        for event in events:
            if self._speed is not None:
                due_s = began_s + (event_time_ms(event) - first_ms) / 1000 / self._speed
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            await producer.send(topic, encode(event), key=event.agent_id.encode())
            if isinstance(event, TaskStarted):
                progress.starts += 1
                continue
            progress.ends += 1
            if isinstance(event, TaskCancelled):
                continue
            progress.finishes += 1
            due = self._train_every and progress.finishes % self._train_every == 0
            if self._may_settle and progress.finishes % self._settle_every == 0:
                await producer.flush()
                await self._settled()
            if due and progress.finishes >= MIN_DECISIONS:
                await producer.flush()
                await self._train()
                self._step("publishing")

    async def _train(self) -> None:
        self._step("waiting for decisions to train on")
        await self._drained()
        self._step("training")
        version = await asyncio.to_thread(self._trainer.train)
        self._step("waiting for the new version to be live")
        await self._live(version)
        self._progress.version = version

    async def _drained(self) -> None:
        """Wait until every start is predicted and every finish stored."""
        progress = self._progress
        loop = asyncio.get_running_loop()
        seen, moved_s = (-1, -1), loop.time()
        while True:
            self._stack.check()
            ledger = await self._ledger()
            stored = await asyncio.to_thread(self._trainer.stored)
            if (
                ledger.predictions >= progress.starts
                and _read_ends(ledger) >= progress.ends
                and stored >= ledger.matched + ledger.expired + ledger.cancelled
            ):
                return
            if (ledger.predictions, stored) != seen:
                seen, moved_s = (ledger.predictions, stored), loop.time()
            if loop.time() - moved_s > LOOK_EVERY_S:
                await self._refusals.check()
            if loop.time() - moved_s > STALL_S:
                raise StackError(
                    f"no progress for {STALL_S:.0f} s: {ledger.predictions} of {progress.starts}"
                    f" tasks predicted, {_read_ends(ledger)} of {progress.ends} ends joined,"
                    f" {stored} decisions stored"
                )
            await asyncio.sleep(POLL_S)

    async def _ledger(self) -> _Ledger:
        """Return the ledger of all partitions; an empty one while comparison does not answer."""
        status = await self._stack.status("comparison")
        return msgspec.convert({} if status is None else status["ledger"], _Ledger)

    @property
    def _may_settle(self) -> bool:
        """Whether there is anything to wait for: without a version there are no intervals."""
        return self._settle_every > 0 and self._progress.version != "-"

    async def _settled(self) -> None:
        """Wait until all starts are predicted, all finishes joined, and the corrections followed."""
        progress = self._progress
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STALL_S
        while True:
            self._stack.check()
            comparison = await self._stack.status("comparison")
            shadow = await self._stack.status("shadow")
            if comparison is not None and shadow is not None:
                ledger = msgspec.convert(comparison["ledger"], _Ledger)
                if (
                    ledger.predictions >= progress.starts
                    and _read_ends(ledger) >= progress.ends
                    and not comparison["corrections_unwritten"]
                    and shadow["corrections_read"] >= comparison["corrections_written"]
                ):
                    return
            if loop.time() > deadline - STALL_S + LOOK_EVERY_S:
                await self._refusals.check()
            if loop.time() > deadline:
                raise StackError(f"the predictions did not catch up within {STALL_S:.0f} s")
            await asyncio.sleep(POLL_S)

    async def _live(self, version: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STALL_S
        while True:
            self._stack.check()
            status = await self._stack.status("shadow")
            if status is not None and any(m["version"] == version for m in status["models"]):
                return
            refused = (status or {}).get("refused", {}).get(version)
            if refused is not None:
                raise StackError(f"version {version} was refused: {refused}")
            if loop.time() > deadline:
                raise StackError(f"version {version} was not live within {STALL_S:.0f} s")
            await asyncio.sleep(POLL_S)

    def _step(self, step: str) -> None:
        self._progress.step = step
        self._show(self._progress)

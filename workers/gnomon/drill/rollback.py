"""How long does it take until every worker predicts with the version that was promoted, or rolled back to?

The drill runs on a broker and workers of its own, two of them in the shadow stage, while agents
publish tasks. It promotes a version and rolls it back, as an operator would, and reads from
model-switches when each partition began to be predicted by the version that was wanted.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gnomon import Client, codec
from gnomon.drill.history import decisions
from gnomon.events import ModelSwitched
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.registry import Registry
from gnomon.models.train import train
from gnomon.operations.lag import read_ledger
from gnomon.operations.local_stack import LocalStack, StackError
from gnomon.operations.models.intent_log import ControlTopic, author, now_ms
from gnomon.operations.models.switching import ModelSwitch
from gnomon.runtime.kafka.reading import read_topic
from gnomon.topics import MODEL_SWITCHES

LONGEST_SWITCH_S: Final = 5.0
"""A drill passes if every partition was switched within this, both ways."""

WAIT_S: Final = 60.0
TURN_S: Final = 0.05
AGENTS: Final = 40
Move = Literal["promote", "rollback"]


class RollbackReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one drill measured.

    ``switched_s`` has, for each of ``promote`` and ``rollback``, the seconds from the command to
    the first batch that the wanted version predicted, by partition. ``tasks`` were published in all
    and ``predicted`` of them were predicted.
    """

    drill: Literal["rollback"]
    at_ms: int
    workers: int
    rate_per_s: float
    tasks: int
    predicted: int
    switched_s: Mapping[Move, Mapping[int, float]]
    longest_s: float
    passed: bool


class RollbackDrill:
    """One drill over a running stack.

    Args:
        stack: Broker and workers; nothing else uses it.
        workers: How many workers of the shadow stage run; noted in the report.
        rate_per_s: Tasks that agents publish each second.
        progress: Called with each step.
    """

    def __init__(
        self,
        stack: LocalStack,
        *,
        workers: int,
        rate_per_s: float,
        progress: Callable[[str], None],
    ) -> None:
        self._stack, self._workers, self._rate_per_s = stack, workers, rate_per_s
        self._progress = progress
        self._latest: dict[int, ModelSwitched] = {}
        self._partitions = 0
        self._tasks = 0

    async def run(self, *, at_ms: int) -> RollbackReport:
        """Train two versions, then promote and roll back while agents publish.

        Args:
            at_ms: When the drill began, epoch milliseconds.

        Raises:
            StackError: A worker has ended, or a switch did not come within ``WAIT_S`` seconds.
        """
        settings = self._stack.settings
        registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
        switch = ModelSwitch(registry, ControlTopic(settings), author=author(), now_ms=now_ms)
        self._progress("training two versions")
        first, second = [await asyncio.to_thread(_registered, registry, seed) for seed in (1, 2)]
        client = Client(
            settings.brokers,
            topic_prefix=settings.topic_prefix,
            security=settings.kafka.security,
        )
        following = asyncio.create_task(self._follow())
        publishing = asyncio.create_task(self._publish(client))
        try:
            await asyncio.to_thread(switch.promote, first)
            await self._all_predicted_by(first, what="the first version")
            self._progress(f"promoting version {second} under load")
            forward = await self._timed(lambda: switch.promote(second), second)
            self._progress(f"rolling back to version {first}")
            back = await self._timed(switch.rollback, first)
        finally:
            publishing.cancel()
            following.cancel()
            await asyncio.gather(publishing, following, return_exceptions=True)
            await asyncio.to_thread(client.close)
        return await self._report({"promote": forward, "rollback": back}, at_ms=at_ms)

    async def _timed(self, move: Callable[[], object], version: str) -> dict[int, float]:
        """Make the move; return the seconds until each partition was predicted by ``version``."""
        began_ms = now_ms()
        await asyncio.to_thread(move)
        await self._all_predicted_by(version, what=f"version {version}")
        return {
            partition: max(0.0, (switched.at_ms - began_ms) / 1000)
            for partition, switched in sorted(self._latest.items())
        }

    async def _all_predicted_by(self, version: str, *, what: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not (
            self._partitions
            and len(self._latest) == self._partitions
            and all([m.version for m in s.models] == [version] for s in self._latest.values())
        ):
            self._stack.check()
            if time.monotonic() > deadline_s:
                behind = {p: [m.version for m in s.models] for p, s in self._latest.items()}
                raise StackError(f"not every partition had {what} after {WAIT_S:.0f} s: {behind}")
            await asyncio.sleep(TURN_S)

    async def _follow(self) -> None:
        """Keep the latest switch of each partition."""
        settings = self._stack.settings
        topic = settings.topic_prefix + MODEL_SWITCHES.name
        decoder = msgspec.json.Decoder(ModelSwitched)
        self._partitions = self._stack.partitions
        async for record in read_topic(kafka=settings.kafka, topic=topic, follow=True):
            switched = decoder.decode(record.value or b"")
            self._latest[switched.partition] = switched

    async def _publish(self, client: Client) -> None:
        """Start and end tasks of many agents, at the rate that was asked for."""
        began_s = time.monotonic()
        while True:
            due = round((time.monotonic() - began_s) * self._rate_per_s)
            while self._tasks < due:
                with client.task("review", agent_id=f"agent-{self._tasks % AGENTS}"):
                    self._tasks += 1
            await asyncio.sleep(TURN_S)

    async def _report(
        self, switched: Mapping[Move, Mapping[int, float]], *, at_ms: int
    ) -> RollbackReport:
        predicted = await self._predicted()
        longest_s = max(s for by_partition in switched.values() for s in by_partition.values())
        return RollbackReport(
            drill="rollback",
            at_ms=at_ms,
            workers=self._workers,
            rate_per_s=self._rate_per_s,
            tasks=self._tasks,
            predicted=predicted,
            switched_s=switched,
            longest_s=longest_s,
            passed=longest_s <= LONGEST_SWITCH_S and predicted == self._tasks,
        )

    async def _predicted(self) -> int:
        """Wait until every task is predicted; return how many are, at the latest after ``WAIT_S``."""
        settings, deadline_s, predicted = self._stack.settings, time.monotonic() + WAIT_S, 0
        while predicted < self._tasks and time.monotonic() < deadline_s:
            self._stack.check()
            ledger = await read_ledger(kafka=settings.kafka, prefix=settings.topic_prefix)
            predicted = ledger.get("predictions", 0)
            await asyncio.sleep(TURN_S)
        return predicted


def _registered(registry: Registry, seed: int) -> str:
    trained = train(decisions(seed=seed), learner=LEARNERS["pool"]())
    return registry.register(trained, alias=None, author=author())


def encode_report(report: RollbackReport) -> bytes:
    """Return the report as it is kept, indented JSON."""
    return msgspec.json.format(codec.encode(report), indent=2) + b"\n"

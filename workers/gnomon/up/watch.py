"""Keeps the state of a running pipeline up to date, from its topics and its workers."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gnomon import codec
from gnomon.comparison import merge_ledgers, merge_metrics
from gnomon.comparison.metrics.achieved import Achieved, achieved, by_version, order
from gnomon.comparison.metrics.paired import against_of, paired_sums
from gnomon.errors import GnomonError
from gnomon.events import Comparison, Ledger, ModelMetrics
from gnomon.operations.lag import overview
from gnomon.operations.local_stack import LocalStack
from gnomon.runtime.kafka.reading import read_topic
from gnomon.topics import COMPARISON_METRICS, COMPARISONS

logger = logging.getLogger(__name__)

LAG_POLL_S = 2.0
AGAIN_S = 1.0
"""Time to the next attempt when no broker answers."""
NEWEST = 5
"""Number of tasks that are shown."""


@dataclass(slots=True)
class PipelineState:
    """State of the pipeline at one moment, as it is shown.

    Attributes:
        events_per_s: Events that the features stage read in the last seconds.
        events: Events that it has read in all.
        lag: Records that each stage has yet to read.
        ledger: Count of all tasks.
        models: What each version has achieved.
        newest: The decisions that were made last, newest first.
    """

    events_per_s: float = 0.0
    events: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(partition=0))
    models: Sequence[Achieved] = ()
    newest: Sequence[Comparison] = ()


class PipelineWatcher:
    """Follows the metrics and the ledger, and asks the broker for the rest every two seconds.

    While no broker answers, the state stays what it was.
    """

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._metrics: dict[bytes, ModelMetrics] = {}
        self._ledgers: dict[int, Ledger] = {}
        self._state = PipelineState()
        self._tasks: list[asyncio.Task[None]] = []
        self._asked_at_s: float | None = None
        self._ended_at_reading = 0

    async def __aenter__(self) -> "PipelineWatcher":
        self._tasks = [
            asyncio.create_task(_until_cancelled(self._follow)),
            asyncio.create_task(_until_cancelled(self._poll)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def state(self) -> PipelineState:
        """Return the present state."""
        self._state.ledger = merge_ledgers(self._ledgers.values())
        self._state.models = [
            achieved(metrics, *against_of(paired_sums(metrics)))
            for metrics in sorted(
                merge_metrics(self._metrics.values()),
                key=lambda m: order((m.model, m.version)),
            )
        ]
        return self._state

    async def last_state(self) -> PipelineState:
        """Return the state at the end, with every version compared with each baseline on the same tasks."""
        state = self.state()
        settings = self._stack.settings
        decisions = [
            codec.decode_comparison(record.value or b"")
            async for record in read_topic(
                kafka=settings.kafka,
                topic=settings.topic_prefix + COMPARISONS.name,
                follow=False,
            )
        ]
        state.models = await asyncio.to_thread(by_version, decisions)
        return state

    async def _follow(self) -> None:
        settings = self._stack.settings
        async for record in read_topic(
            kafka=settings.kafka,
            topic=settings.topic_prefix + COMPARISON_METRICS.name,
            follow=True,
        ):
            event = codec.decode_metrics(record.value or b"")
            if isinstance(event, Ledger):
                self._ledgers[event.partition] = event
            elif event.slice == "all" and event.window == "all":
                self._metrics[record.key or b""] = event

    async def _poll(self) -> None:
        while True:
            await self._ask_for_lag()
            await self._ask_for_rate()
            await self._ask_for_newest()
            await asyncio.sleep(LAG_POLL_S)

    async def _ask_for_lag(self) -> None:
        settings = self._stack.settings
        stages = await overview(kafka=settings.kafka, prefix=settings.topic_prefix)
        self._state.lag = {stage.name: stage.lag for stage in stages}

    async def _ask_for_rate(self) -> None:
        status = await self._stack.status("features")
        if status is None:
            return
        events = sum(
            offset
            for partition in status["partitions"].values()
            for offset in partition["offsets"].values()
        )
        now_s = asyncio.get_running_loop().time()
        if self._asked_at_s is not None and now_s > self._asked_at_s:
            more = max(0, events - self._state.events)
            self._state.events_per_s = more / (now_s - self._asked_at_s)
        self._state.events, self._asked_at_s = events, now_s

    async def _ask_for_newest(self) -> None:
        """Read the newest decisions again if there are more than at the last time."""
        ledger = merge_ledgers(self._ledgers.values())
        ended = ledger.matched + ledger.expired + ledger.cancelled
        if ended == self._ended_at_reading:
            return
        settings = self._stack.settings
        topic = settings.topic_prefix + COMPARISONS.name
        found = [
            codec.decode_comparison(record.value or b"")
            async for record in read_topic(
                kafka=settings.kafka, topic=topic, follow=False, last=2 * NEWEST
            )
        ]
        found.sort(key=lambda decision: decision.outcome.at_ms, reverse=True)
        self._state.newest, self._ended_at_reading = found[:NEWEST], ended


async def _until_cancelled(work: Callable[[], Awaitable[None]]) -> None:
    """Begin ``work`` again whenever it cannot go on, as when no broker answers."""
    while True:
        try:
            await work()
        except GnomonError as error:
            logger.debug("watch.again", extra={"reason": str(error)})
            await asyncio.sleep(AGAIN_S)

"""Keeps the state of a running pipeline up to date, from its topics and its workers."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gnomon import codec
from gnomon.comparison import merge_ledgers, merge_metrics
from gnomon.comparison.metrics.achieved import Achieved, achieved, by_version, order
from gnomon.comparison.metrics.paired import against_of, paired_sums
from gnomon.events import Ledger, ModelMetrics
from gnomon.operations.lag import overview
from gnomon.operations.local_stack import LocalStack
from gnomon.runtime.kafka.reading import read_topic
from gnomon.topics import COMPARISON_METRICS, COMPARISONS

LAG_POLL_S = 2.0


@dataclass(slots=True)
class PipelineState:
    """State of the pipeline at one moment, as the demo shows it."""

    events_per_s: float = 0.0
    events: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(partition=0))
    models: Sequence[Achieved] = ()


class PipelineWatcher:
    """Follows the metrics and the ledger, and asks the broker for the lag every two seconds."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._metrics: dict[bytes, ModelMetrics] = {}
        self._ledgers: dict[int, Ledger] = {}
        self._state = PipelineState()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "PipelineWatcher":
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._poll_lag())]
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

    async def _poll_lag(self) -> None:
        settings = self._stack.settings
        loop = asyncio.get_running_loop()
        seen_at_s = loop.time()
        while True:
            stages = await overview(kafka=settings.kafka, prefix=settings.topic_prefix)
            self._state.lag = {stage.name: stage.lag for stage in stages}
            status = await self._stack.status("features")
            if status is not None:
                events = sum(
                    offset
                    for partition in status["partitions"].values()
                    for offset in partition["offsets"].values()
                )
                now_s = loop.time()
                if now_s > seen_at_s:
                    self._state.events_per_s = max(0, events - self._state.events) / (
                        now_s - seen_at_s
                    )
                self._state.events, seen_at_s = events, now_s
            await asyncio.sleep(LAG_POLL_S)

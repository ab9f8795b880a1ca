"""What is known of a running pipeline, kept up to date from its topics and its workers."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gnomon import codec
from gnomon.comparison import merge_ledgers, merge_metrics
from gnomon.comparison.achieved import Achieved, achieved, by_version, order
from gnomon.events import Ledger, ModelMetrics
from gnomon.runtime.overview import overview
from gnomon.runtime.reading import read_topic
from gnomon.runtime.stack import LocalStack
from gnomon.topics import COMPARISON_METRICS, COMPARISONS

LOOK_EVERY_S = 2.0


@dataclass(slots=True)
class Picture:
    """One moment: what a person wants to see."""

    events_per_s: float = 0.0
    events: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(partition=0))
    models: Sequence[Achieved] = ()


class Watch:
    """Follows the figures and the ledger, and asks the broker for lag now and then."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._metrics: dict[bytes, ModelMetrics] = {}
        self._ledgers: dict[int, Ledger] = {}
        self._picture = Picture()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Watch":
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def picture(self) -> Picture:
        """What is known right now."""
        self._picture.ledger = merge_ledgers(self._ledgers.values())
        self._picture.models = [
            achieved(metrics)
            for metrics in sorted(
                merge_metrics(self._metrics.values()),
                key=lambda m: order((m.model, m.version)),
            )
        ]
        return self._picture

    async def last_picture(self) -> Picture:
        """What is known at the end, with every version beside each baseline, decision by decision."""
        picture = self.picture()
        settings = self._stack.settings
        decisions = [
            codec.decode_comparison(record.value or b"")
            async for record in read_topic(
                brokers=settings.brokers,
                topic=settings.topic_prefix + COMPARISONS.name,
                follow=False,
            )
        ]
        picture.models = await asyncio.to_thread(by_version, decisions)
        return picture

    async def _follow(self) -> None:
        settings = self._stack.settings
        async for record in read_topic(
            brokers=settings.brokers,
            topic=settings.topic_prefix + COMPARISON_METRICS.name,
            follow=True,
        ):
            event = codec.decode_metrics(record.value or b"")
            if isinstance(event, Ledger):
                self._ledgers[event.partition] = event
            elif event.slice == "all" and event.window == "all":
                self._metrics[record.key or b""] = event

    async def _look(self) -> None:
        settings = self._stack.settings
        loop = asyncio.get_running_loop()
        seen_at_s = loop.time()
        while True:
            stages = await overview(brokers=settings.brokers, prefix=settings.topic_prefix)
            self._picture.lag = {stage.name: stage.lag for stage in stages}
            status = await self._stack.status("features")
            if status is not None:
                events = sum(
                    offset
                    for partition in status["partitions"].values()
                    for offset in partition["offsets"].values()
                )
                now_s = loop.time()
                if now_s > seen_at_s:
                    self._picture.events_per_s = max(0, events - self._picture.events) / (
                        now_s - seen_at_s
                    )
                self._picture.events, seen_at_s = events, now_s
            await asyncio.sleep(LOOK_EVERY_S)

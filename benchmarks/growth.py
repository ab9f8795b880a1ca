"""Measures memory and time of the features computation as agents and windows grow.

``python -m benchmarks.growth bytes AGENTS`` and ``cost AGENTS FINISHES ACTIVE`` print one number.
"""

import gc
import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.harness.stream import HOUR_MS, Event
from benchmarks.harness.watching import resident_mb

from gnomon import codec
from gnomon.events import TaskFinished, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold

BATCH = 8192
MEASURED = 10 * BATCH
"""Number of events whose cost is measured."""


@dataclass(slots=True)
class Record:
    """The fields of a Kafka record that the computation reads."""

    value: bytes
    timestamp: int
    topic: str = "task-events"
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def hour(agents: int, finishes: int, *, seed: int = 11) -> Iterator[TaskFinished]:
    """Yield ``finishes`` events of each agent within the last 50 minutes, in order of their time."""
    draw = random.Random(seed)
    durations_s = [round(draw.lognormvariate(3, 0.8), 3) for _ in range(997)]
    now_ms = time.time_ns() // 1_000_000
    step_ms = 50 * 60_000 / finishes
    for number in range(finishes):
        at_ms = int(now_ms - 50 * 60_000 + number * step_ms)
        for agent in range(agents):
            task_id = f"{draw.getrandbits(64):016x}"
            yield _finished(agent, task_id, at_ms, durations_s[(number * agents + agent) % 997])


def _finished(agent: int, task_id: str, at_ms: int, duration_s: float) -> TaskFinished:
    thousandths = int(duration_s * 1000)
    return TaskFinished(
        agent_id=f"agent-{agent:06d}",
        task_id=task_id,
        task_type=f"type-{thousandths % 40}",
        started_at_ms=at_ms - thousandths,
        finished_at_ms=at_ms,
        duration_s=duration_s,
        succeeded=thousandths % 10 < 7,
        code_review_iterations=thousandths % 5,
    )


def records(events: Iterable[Event]) -> Iterator[Record]:
    """Yield each event as a record of the broker."""
    for event in events:
        yield Record(codec.encode(event), codec.event_time_ms(event))


def take(state: FeaturesState, ahead: Iterable[Record]) -> None:
    """Fold all of ``ahead`` in batches of the usual size."""
    config, ahead = FeaturesConfig(), iter(ahead)
    while batch := list(itertools.islice(ahead, BATCH)):
        fold(state, batch, config=config)


def window_bytes(agents: int = 2_000) -> float:
    """Return the bytes per task in the window: the memory of 180 more tasks for each agent than 20."""
    state, ahead = FeaturesState(), records(hour(agents, 200))
    take(state, itertools.islice(ahead, agents * 20))
    gc.collect()
    small_mb = resident_mb(os.getpid())
    take(state, ahead)
    gc.collect()
    return (resident_mb(os.getpid()) - small_mb) * 1e6 / (agents * 180)


def event_cost_us(agents: int, finishes: int, active: int) -> float:
    """Return the processor time of one event, with ``agents`` agents and ``finishes`` tasks each.

    Starts and finishes alternate, for randomly drawn agents of the first ``active``. While the
    hour moves on, as many tasks leave the window as enter it. The number of agents in a batch
    determines the number of agent-features records, at most one for each event.
    """
    state = FeaturesState()
    take(state, records(hour(agents, finishes)))
    now_ms = max(agent.newest_ms for agent in state.agents.values())
    batch = list(records(_going_on(active, finishes, now_ms)))
    gc.collect()
    gc.freeze()
    costs_us = []
    for at in range(0, len(batch), BATCH):
        part = batch[at : at + BATCH]
        began_s = time.process_time()
        take(state, part)
        costs_us.append((time.process_time() - began_s) / len(part) * 1e6)
    return statistics.median(costs_us)


def _going_on(active: int, finishes: int, now_ms: int) -> Iterator[Event]:
    draw = random.Random(5)
    step_ms = HOUR_MS / (active * finishes)
    for number in range(MEASURED // 2):
        agent, at_ms = draw.randrange(active), now_ms + int(number * step_ms)
        ended = _finished(agent, f"n{number:09d}", at_ms, round(draw.lognormvariate(3, 0.8), 3))
        yield TaskStarted(
            agent_id=ended.agent_id,
            task_id=ended.task_id,
            task_type=ended.task_type,
            started_at_ms=at_ms,
        )
        yield ended


def main() -> int:
    what, *sizes = sys.argv[1:]
    numbers = [int(size) for size in sizes]
    print(window_bytes(*numbers) if what == "bytes" else event_cost_us(*numbers))
    return 0


if __name__ == "__main__":
    sys.exit(main())

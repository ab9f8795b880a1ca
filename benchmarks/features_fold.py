"""Speed and memory of the fold behind stage 1, decode to encode, without Kafka.

python benchmarks/features_fold.py finishes|alternating|memory [events or agents]
"""

import argparse
import gc
import random
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

from gnomon import codec
from gnomon.events import TaskFinished, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold, restore, snapshot

T0_MS = 1_750_000_000_000
SPAN_MS = 3 * 3_600_000
BATCH = 8192
SUCCESS_RATE = 0.8


@dataclass(slots=True)
class Record:
    value: bytes
    timestamp: int = T0_MS + SPAN_MS
    topic: str = "task-events"
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def finish(i: int, at_ms: int, agents: int, rng: random.Random) -> TaskFinished:
    duration_s = rng.uniform(1, 600)
    return TaskFinished(
        agent_id=f"agent-{i % agents:06d}",
        task_id=f"{rng.getrandbits(128):032x}",
        task_type=f"type-{i % 5}",
        started_at_ms=at_ms - int(duration_s * 1000),
        finished_at_ms=at_ms,
        duration_s=duration_s,
        succeeded=rng.random() < SUCCESS_RATE,
        code_review_iterations=rng.randrange(4),
    )


def events(kind: str, count: int, agents: int) -> Iterator[TaskFinished | TaskStarted]:
    rng = random.Random(1)
    for i in range(count):
        at_ms = T0_MS + i * SPAN_MS // count
        if kind == "finishes":
            yield finish(rng.randrange(agents), at_ms, agents, rng)
        elif i % 2 == 0:
            ended = finish(rng.randrange(agents), at_ms, agents, rng)
            yield TaskStarted(
                agent_id=ended.agent_id,
                task_id=ended.task_id,
                task_type=ended.task_type,
                started_at_ms=at_ms,
            )
        else:
            yield ended


def speed(kind: str, count: int) -> None:
    records = [Record(codec.encode(event)) for event in events(kind, count, 1000)]
    state, config = FeaturesState(), FeaturesConfig()
    gc.collect()
    gc.freeze()
    written = 0
    began = time.process_time()
    for i in range(0, count, BATCH):
        outputs = fold(state, records[i : i + BATCH], config=config)
        written += sum(len(rows) for rows in outputs.by_topic.values())
    took = time.process_time() - began
    print(f"{kind}: {count / took:,.0f} events/s ({took / count * 1e6:.2f} us), {written} written")


def memory(agents: int) -> None:
    rng = random.Random(1)
    state, config = FeaturesState(), FeaturesConfig()
    before = _rss()
    for k in range(20):
        for i in range(agents):
            record = Record(codec.encode(finish(i, T0_MS + k * 170_000, agents, rng)))
            fold(state, [record], config=config)
    gc.collect()
    held = _rss() - before
    print(f"memory: {agents} agents with 20 finishes: {held / agents:.0f} bytes each")
    began = time.process_time()
    data = snapshot(state)
    wrote = time.process_time()
    restore(data)
    read = time.process_time()
    print(
        f"snapshot: {len(data) / agents:.0f} bytes each, written in {wrote - began:.2f} s,"
        f" read in {read - wrote:.2f} s; peak {_peak() / 1e6:.0f} MB"
    )


def _rss() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123  Linux only
        return int(statm.read().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["finishes", "alternating", "memory"])
    parser.add_argument("count", type=int, nargs="?")
    options = parser.parse_args()
    if options.what == "memory":
        memory(options.count or 100_000)
    else:
        speed(options.what, options.count or 300_000)


if __name__ == "__main__":
    main()

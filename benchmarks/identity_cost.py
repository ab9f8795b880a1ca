"""Measures what it costs the features stage to recognise repeats by ``producer_id`` and ``seq``.

``python -m benchmarks.identity_cost`` folds 200,000 events in batches. For each number of client
processes and batch size it prints the median processor time per event, and the part of it that
tracks producers. Both are measured within the same batches, so that other load on the machine
hardly changes their ratio.
"""

import argparse
import gc
import random
import statistics
import sys
import time
from collections.abc import Sequence
from unittest.mock import patch

from gnomon import codec
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold
from gnomon.features.producers import Producers
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.fetched_records import FetchedRecord

BEGIN_MS = 1_750_000_000_000
AGENTS, PARTITIONS = 2_000, 4
SIZES = ((20, 4_000), (200, 4_000), (2_000, 4_000), (20, 1_000), (20, 200))


def events(count: int, *, processes: int, named: bool) -> Sequence[SourceRecord]:
    """Return the events of one partition, sent by ``processes`` processes; each start has a finish."""
    chance = random.Random(1)
    counts, running = [0] * processes, {}
    records = []
    for number in range(count):
        at_ms, agent = BEGIN_MS + 9 * number, chance.randrange(AGENTS)
        process = agent % processes
        counts[process] += 1 + int(chance.expovariate(1) * (PARTITIONS - 1))
        name = {"producer_id": f"{process:016x}", "seq": counts[process]} if named else {}
        about = {"agent_id": f"agent-{agent:05}", "task_type": "code", **name}
        if agent in running:
            task_id, started_at_ms = running.pop(agent)
            event: TaskEvent = TaskFinished(
                **about, task_id=task_id, started_at_ms=started_at_ms, finished_at_ms=at_ms,
                duration_s=(at_ms - started_at_ms) / 1000, succeeded=True,
            )  # fmt: skip
        else:
            running[agent] = f"task-{number}", at_ms
            event = TaskStarted(**about, task_id=f"task-{number}", started_at_ms=at_ms)
        value = codec.encode(event)
        records.append(FetchedRecord("task-events", 0, number, at_ms + 5, None, value, ()))
    return records


def measure(records: Sequence[SourceRecord], batch: int) -> tuple[float, float]:
    """Return nanoseconds per event: of the whole computation, and of tracking producers."""
    take, spent, whole = Producers.take, [], []

    def timed(known: Producers, *given: Sequence[object]) -> Sequence[int]:
        began_ns = time.thread_time_ns()
        repeats = take(known, *given)
        spent.append(time.thread_time_ns() - began_ns)
        return repeats

    state, config = FeaturesState(), FeaturesConfig()
    gc.collect()
    with patch.object(Producers, "take", timed):
        for at in range(0, len(records), batch):
            part = records[at : at + batch]
            began_ns = time.thread_time_ns()
            fold(state, part, config=config)
            whole.append(time.thread_time_ns() - began_ns)
    return statistics.median(whole) / batch, statistics.median(spent) / batch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    print(f"{'processes':>9} {'batch':>6} {'named':>6} {'fold ns':>8} {'known ns':>9} {'more':>7}")
    for processes, batch in SIZES:
        for named in (False, True):
            records = events(options.events, processes=processes, named=named)
            whole, known = measure(records, batch)
            more = known / (whole - known)
            print(
                f"{processes:>9} {batch:>6} {named!s:>6} {whole:>8.0f} {known:>9.0f} {more:>7.1%}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

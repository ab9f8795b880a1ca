"""Whether a contender's output is right: a sample of agents, held against DuckDB."""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pandas as pd
from aiokafka import AIOKafkaConsumer, TopicPartition
from benchmarks.stream import Event

from gnomon.events import TaskStarted

FIGURES = (
    "tasks_completed_1h",
    "avg_execution_time_1h",
    "success_rate_1h",
    "code_review_iterations",
)
TOLERANCE = 1e-9
HOUR = """
    select s.task_id, count(f.at_ms), avg(f.duration_s), avg(f.succeeded), avg(f.reviews)
    from events s left join events f
      on f.finished and f.agent_id = s.agent_id
      and f.at_ms > s.at_ms - 3600000 and f.at_ms <= s.at_ms
      and (f.position < s.position or $by_event_time)
    where not s.finished group by s.task_id
"""

Figures = tuple[float | None, ...]
"""Count, mean duration, success rate and mean reviews of the hour before a start."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of the starts that were looked at."""

    compared: int
    missing: int
    twice: int
    wrong: int

    @property
    def right(self) -> bool:
        """Whether there was something to compare, and all of it was as expected."""
        return self.compared > 0 and not (self.missing or self.twice or self.wrong)

    def __str__(self) -> str:
        if self.right:
            return f"{self.compared:,} exact"
        return f"missing {self.missing}, twice {self.twice}, wrong {self.wrong}"


def expected(events: Iterable[Event], *, by_event_time: bool) -> dict[str, Figures]:
    """The hour before each start, by task.

    Args:
        events: All of the agents concerned, in the order in which they were published.
        by_event_time: Count what was read after the start too, if it finished before.
    """
    rows = [_row(at, event) for at, event in enumerate(events)]
    names = ("position", "finished", "agent_id", "task_id", "at_ms")
    table = pd.DataFrame(rows, columns=[*names, "duration_s", "succeeded", "reviews"])
    with duckdb.connect() as connection:
        connection.register("events", table)
        found = connection.execute(HOUR, {"by_event_time": by_event_time}).fetchall()
    return {str(task_id): tuple(figures) for task_id, *figures in found}


def _row(position: int, event: Event) -> tuple[object, ...]:
    if isinstance(event, TaskStarted):
        return position, False, event.agent_id, event.task_id, event.started_at_ms, None, None, None
    return (
        *(position, True, event.agent_id, event.task_id, event.finished_at_ms),
        *(event.duration_s, float(event.succeeded), event.code_review_iterations),
    )


def compare(found: Iterable[tuple[str, Figures]], wanted: Mapping[str, Figures]) -> Verdict:
    """Hold ``found`` against ``wanted``, both by task; tasks nobody asked for are left alone."""
    seen: dict[str, Figures] = {}
    twice = 0
    for task_id, figures in found:
        twice += task_id in seen
        seen[task_id] = figures
    both = seen.keys() & wanted.keys()
    wrong = sum(not _same(seen[task_id], wanted[task_id]) for task_id in both)
    return Verdict(len(both), len(wanted.keys() - seen.keys()), twice, wrong)


def _same(one: Figures, other: Figures) -> bool:
    return len(one) == len(other) and all(map(_close, one, other))


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


async def vectors(
    brokers: str, topic: str, *, partitions: int, agents: Collection[str]
) -> list[tuple[str, Figures]]:
    """What a contender wrote of ``agents`` to ``topic``, as far as it can be read by now."""
    keys = {agent_id.encode() for agent_id in agents}
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        found: list[tuple[str, Figures]] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
                found += [figures_of(r.value) for r in records if r.key in keys]
        return found
    finally:
        await consumer.stop()


def figures_of(value: bytes) -> tuple[str, Figures]:
    """The task and the figures of one record; Flink SQL writes them flat, without the empty."""
    record = json.loads(value)
    features = record.get("features", record)
    return record["task_id"], tuple(features.get(name) for name in FIGURES)

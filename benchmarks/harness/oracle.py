"""Checks an engine's output: compares that of a sample of agents with DuckDB."""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pandas as pd
from aiokafka import TopicPartition
from benchmarks.harness.stream import Event

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.events import TaskStarted

HOUR = (
    "tasks_completed_1h",
    "avg_execution_time_1h",
    "success_rate_1h",
    "code_review_iterations",
)
"""The four features of the rolling hour."""
FIGURES = (
    *HOUR,
    "median_execution_time_1h",
    "deployment_success_rate_1h",
    "tasks_in_flight",
    "seconds_since_last_finish",
    "same_type_runs",
    "same_type_avg_execution_time",
    "same_type_success_rate",
    "agent_runs",
    "agent_avg_execution_time",
    "agent_success_rate",
)
"""All features of a vector."""
TOLERANCE = 1e-9
BEFORE_EACH_START = """
    with finish as (
      select *, count(*) over runs as n, avg(duration_s) over runs as mean_s,
        avg(succeeded) over runs as success, count(*) over of_type as type_n,
        avg(duration_s) over of_type as type_mean_s, avg(succeeded) over of_type as type_success
      from events where finished
      window runs as (partition by agent_id order by position
          rows between 19 preceding and current row),
        of_type as (partition by agent_id, task_type order by position
          rows between 19 preceding and current row)
    ), start as (
      select s.*, (select min(position) from finish f where f.task_id = s.task_id) as ends_at
      from events s where not finished
    ), hour as (
      select s.task_id, count(f.at_ms) as n, avg(f.duration_s) as mean_s,
        avg(f.succeeded) as success, avg(f.reviews) as reviews, median(f.duration_s) as median_s
      from start s left join finish f
        on f.agent_id = s.agent_id and f.at_ms > s.at_ms - 3600000 and f.at_ms <= s.at_ms
        and (f.position < s.position or $by_event_time)
      group by s.task_id
    ), flight as (
      select s.task_id, count(o.task_id) as n from start s left join start o
        on o.agent_id = s.agent_id and o.position < s.position and o.at_ms <= s.at_ms
        and o.ends_at > s.position
      group by s.task_id
    ), latest as (
      select s.task_id, max(f.at_ms) as at_ms from start s left join finish f
        on f.agent_id = s.agent_id and f.position < s.position and f.at_ms <= s.at_ms
      group by s.task_id
    )
    select s.task_id, h.n, h.mean_s, h.success, h.reviews, h.median_s, null, flight.n,
      (s.at_ms - latest.at_ms) / 1000.0, coalesce(t.type_n, 0), t.type_mean_s, t.type_success,
      coalesce(a.n, 0), a.mean_s, a.success
    from start s join hour h using (task_id) join flight using (task_id)
    join latest using (task_id)
    asof left join finish a on a.agent_id = s.agent_id and s.position > a.position
    asof left join finish t
      on t.agent_id = s.agent_id and t.task_type = s.task_type and s.position > t.position
"""

FeatureValues = tuple[float | None, ...]
"""Values of ``FIGURES`` for one start, or of the first of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the comparison."""

    compared: int
    missing: int
    twice: int
    wrong: int

    @property
    def right(self) -> bool:
        """Whether there was something to compare, and everything was as expected."""
        return self.compared > 0 and not (self.missing or self.twice or self.wrong)

    def __str__(self) -> str:
        if self.right:
            return f"{self.compared:,} exact"
        return f"missing {self.missing}, twice {self.twice}, wrong {self.wrong}"


def expected(events: Iterable[Event], *, by_event_time: bool) -> dict[str, FeatureValues]:
    """Compute with DuckDB the features before each start, by task.

    Args:
        events: All events of the sampled agents, in the order in which they were published.
        by_event_time: Also count tasks that finished before the start and were read after it.
    """
    rows = [_row(at, event) for at, event in enumerate(events)]
    names = ("position", "finished", "agent_id", "task_id", "task_type", "at_ms")
    table = pd.DataFrame(rows, columns=[*names, "duration_s", "succeeded", "reviews"])
    with duckdb.connect() as connection:
        connection.register("events", table)
        found = connection.execute(BEFORE_EACH_START, {"by_event_time": by_event_time}).fetchall()
    return {str(task_id): tuple(figures) for task_id, *figures in found}


def _row(position: int, event: Event) -> tuple[object, ...]:
    names = event.agent_id, event.task_id, event.task_type
    if isinstance(event, TaskStarted):
        return position, False, *names, event.started_at_ms, None, None, None
    return (
        *(position, True, *names, event.finished_at_ms),
        *(event.duration_s, float(event.succeeded), event.code_review_iterations),
    )


def compare(
    found: Iterable[tuple[str, FeatureValues]], wanted: Mapping[str, FeatureValues], *, first: int
) -> Verdict:
    """Compare the ``first`` features of ``found`` with ``wanted``, both by task.

    Tasks that are not in ``wanted`` are ignored.
    """
    seen: dict[str, FeatureValues] = {}
    twice = 0
    for task_id, figures in found:
        twice += task_id in seen
        seen[task_id] = figures
    both = seen.keys() & wanted.keys()
    wrong = sum(not _same(seen[task_id][:first], wanted[task_id][:first]) for task_id in both)
    return Verdict(len(both), len(wanted.keys() - seen.keys()), twice, wrong)


def _same(one: FeatureValues, other: FeatureValues) -> bool:
    return len(one) == len(other) and all(map(_close, one, other))


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


async def vectors(
    kafka: KafkaConnection, topic: str, *, partitions: int, agents: Collection[str]
) -> list[tuple[str, FeatureValues]]:
    """Read the output of an engine for ``agents`` from ``topic``."""
    keys = {agent_id.encode() for agent_id in agents}
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    consumer = aiokafka_clients.consumer(
        kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        found: list[tuple[str, FeatureValues]] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
                found += [figures_of(r.value) for r in records if r.key in keys]
        return found
    finally:
        await consumer.stop()


def figures_of(value: bytes) -> tuple[str, FeatureValues]:
    """Return task and features of one record. Flink SQL writes them flat and without nulls."""
    record = json.loads(value)
    features = record.get("features", record)
    return record["task_id"], tuple(features.get(name) for name in FIGURES)

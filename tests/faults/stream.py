"""A seeded stream of the events of many agents, with everything that can go wrong in transit.

Every event has its own time and arrives later than that, by less than the allowed lateness unless it
is meant to be late. A repeat arrives within twenty minutes of the original, because repeats are only
recognised while a task is remembered.

Eight in nine agents run in processes that number their events; a few of those events come from a spool,
half an hour after events with higher numbers.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

SECOND_MS, MINUTE_MS = 1_000, 60_000
DISORDER_MS = 110 * SECOND_MS
"""Longest delay of an event that is not late; the workers allow two minutes."""
EXPIRE_MS = 60 * MINUTE_MS
LATENESS_MS = 2 * MINUTE_MS
SPAN_MS = 4 * 60 * MINUTE_MS
"""Event time from the first start to the last."""
BEFORE_NOW_MS = SPAN_MS + 2 * 60 * MINUTE_MS
"""How long before the wall clock a stream begins, so that no event is ahead of it."""
TYPES = ("code", "review", "fix", "deploy", "test", "docs")
EVENTS_A_TASK = 2.0
POISON_SHARE = 0.003
PROCESSES = 8
SPOOLED_SHARE = 0.02
SPOOLED_MS = 30 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to send.

    Attributes:
        key: Key of the record.
        value: Value of the record.
        poison: The reason why it must be refused; empty if it is valid.
        named: Whether it is valid and has the id of its process.
    """

    key: bytes
    value: bytes | None
    poison: str = ""
    named: bool = False


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_ms: int
    record: Sent


def stream(*, seed: int, events: int, agents: int, begin_ms: int) -> list[Sent]:
    """Return about ``events`` records in the order in which they are to be sent.

    Args:
        seed: The same seed and ``begin_ms`` give the same bytes.
        events: Number of records, to within a few percent.
        agents: Number of agents.
        begin_ms: Epoch milliseconds of the first start; see ``BEFORE_NOW_MS``.
    """
    random = Random(seed)  # noqa: S311  a test's input, not a secret
    arrivals: list[_Arrival] = []
    for number in range(round(events / EVENTS_A_TASK)):
        arrivals.extend(_task(random, number, agents, begin_ms))
    arrivals.extend(_poison(random, round(events * POISON_SHARE), agents, begin_ms))
    arrivals.sort(key=lambda arrival: arrival.at_ms)
    return _named(arrivals, Random(seed + 1))  # noqa: S311  a test's input, not a secret


def _named(arrivals: Sequence[_Arrival], random: Random) -> list[Sent]:
    """Add producer ids and sequence numbers; a repeat has those of the original."""
    left: dict[int, tuple[int, Sent]] = {}
    for arrival in arrivals:
        way_ms = random.randrange(SPOOLED_MS) if random.random() < SPOOLED_SHARE else 0
        left.setdefault(id(arrival.record), (arrival.at_ms - way_ms, arrival.record))
    counts: Counter[int] = Counter()
    named: dict[int, Sent] = {}
    for place, (_, record) in sorted(left.items(), key=lambda item: item[1][0]):
        process = int(record.key.removeprefix(b"agent-")) % (PROCESSES + 1)
        value = record.value
        if process == PROCESSES or value is None or not value.endswith(b"}"):
            named[place] = record
            continue
        name = b',"producer_id":"process-%d","seq":%d}' % (process, counts[process])
        readable = record.poison in {"", "clock_ahead"}
        named[place] = replace(record, value=value[:-1] + name, named=readable)
        counts[process] += 1
    return [named[id(arrival.record)] for arrival in arrivals]


def _task(random: Random, number: int, agents: int, begin_ms: int) -> Iterator[_Arrival]:
    """One task's events; every tenth task has something wrong with it."""
    task = _Task(random, number, agents, begin_ms)
    fate = random.random()
    if fate < 0.002:  # the start arrives when the task would have expired already
        yield task.started(after_ms=EXPIRE_MS + random.randint(5, 10) * MINUTE_MS)
    elif fate < 0.006:  # orphan
        yield task.finished()
    elif fate < 0.026:  # never ends
        yield task.started()
    elif fate < 0.05:
        yield from (task.started(), task.cancelled())
    elif fate < 0.055:
        yield from (task.started(), task.cancelled(), task.finished())
    elif fate < 0.075:
        start = task.started()
        yield from (start, task.finished(), _again(random, start))
    elif fate < 0.095:
        start, finish = task.started(), task.finished()
        yield from (start, finish, _again(random, finish))
    elif fate < 0.105:  # too late for the rolling hour
        yield from (
            task.started(),
            task.finished(after_ms=random.randint(10 * MINUTE_MS, 25 * MINUTE_MS)),
        )
    elif fate < 0.11:  # ends after it has expired
        task.lasts(EXPIRE_MS + random.randint(3, 20) * MINUTE_MS)
        yield from (task.started(), task.finished())
    else:
        yield from (task.started(), task.finished())


def _again(random: Random, arrival: _Arrival) -> _Arrival:
    return _Arrival(arrival.at_ms + random.randint(1, 20 * MINUTE_MS), arrival.record)


class _Task:
    """One task; its events are generated on request, and arrive in that order."""

    def __init__(self, random: Random, number: int, agents: int, begin_ms: int) -> None:
        self._random = random
        # Squared, so that some agents are busy and most are not.
        self._agent_id = f"agent-{int(agents * random.random() ** 2):04}"
        self._task_id = f"task-{number:07}"
        self._type = random.choice(TYPES)
        self._started_ms = begin_ms + random.randrange(SPAN_MS)
        self._ended_ms = 0
        self._arrived_ms = 0
        self.lasts(min(int(random.lognormvariate(5.5, 1.2) * SECOND_MS), 50 * MINUTE_MS))

    def lasts(self, duration_ms: int) -> None:
        """Set the duration of the task."""
        self._ended_ms = self._started_ms + duration_ms

    def started(self, *, after_ms: int | None = None) -> _Arrival:
        """Its start; arrives ``after_ms`` later."""
        event: dict[str, Any] = {
            "kind": "task_started.v1",
            "task_type": self._type,
            "started_at_ms": self._started_ms,
        }
        if self._random.random() < 0.3:
            event["estimate_s"] = round(self._random.uniform(5, 2000), 3)
        if self._random.random() < 0.2:
            event["context"] = {
                "repo": f"r{self._random.randrange(9)}",
                "lines": 12,
                "ünsafe": True,
            }
        return self._arrival(event, self._started_ms, after_ms)

    def finished(self, *, after_ms: int | None = None) -> _Arrival:
        """Its finish; arrives ``after_ms`` later."""
        succeeded = self._random.random() < 0.8
        event: dict[str, Any] = {
            "kind": "task_finished.v1",
            "task_type": self._type,
            "started_at_ms": self._started_ms,
            "finished_at_ms": self._ended_ms,
            "duration_s": (self._ended_ms - self._started_ms) / 1000,
            "succeeded": succeeded,
        }
        if self._random.random() < 0.6:
            event["code_review_iterations"] = self._random.randrange(6)
        if self._type == "deploy":
            event["deployment_succeeded"] = self._random.random() < 0.9
        if not succeeded:
            event["error_type"] = "Timeout"
        return self._arrival(event, self._ended_ms, after_ms)

    def cancelled(self) -> _Arrival:
        """Its cancellation, some time before it would have ended."""
        at_ms = self._random.randint(self._started_ms, self._ended_ms)
        event = {"kind": "task_cancelled.v1", "cancelled_at_ms": at_ms, "reason": "not needed"}
        return self._arrival(event, at_ms, None)

    def _arrival(self, event: dict[str, Any], at_ms: int, after_ms: int | None) -> _Arrival:
        way_ms = self._random.randrange(DISORDER_MS) if after_ms is None else after_ms
        self._arrived_ms = max(self._arrived_ms + 1, at_ms + way_ms)
        event |= {"agent_id": self._agent_id, "task_id": self._task_id}
        return _Arrival(self._arrived_ms, Sent(self._agent_id.encode(), json.dumps(event).encode()))


def _poison(random: Random, count: int, agents: int, begin_ms: int) -> Iterator[_Arrival]:
    """``count`` records that must be refused, one kind after the other."""
    for number in range(count):
        agent_id = f"agent-{random.randrange(agents):04}"
        at_ms = begin_ms + random.randrange(SPAN_MS)
        reason, value = _bad(number, agent_id, at_ms)
        yield _Arrival(at_ms, Sent(agent_id.encode(), value, poison=reason))


def _bad(number: int, agent_id: str, at_ms: int) -> tuple[str, bytes | None]:
    event = {
        "kind": "task_started.v1",
        "agent_id": agent_id,
        "task_id": f"poison-{number:05}",
        "task_type": "fix",
        "started_at_ms": at_ms,
    }
    late = {"started_at_ms": at_ms + BEFORE_NOW_MS + 24 * 60 * MINUTE_MS}
    incomplete = {name: value for name, value in event.items() if name != "task_type"}
    bad: tuple[tuple[str, bytes | None], ...] = (
        ("not_json", b'{"kind": "task_started.v1", ' + str(number).encode()),
        ("unknown_kind", json.dumps(event | {"kind": "task_paused.v1"}).encode()),
        ("clock_ahead", json.dumps(event | late).encode()),
        ("oversize", json.dumps(event | {"context": {"x": "y" * 70_000}}).encode()),
        ("invalid", json.dumps(incomplete).encode()),
        ("not_json", b"\x00\xff\xfe" + str(number).encode()),
        ("empty", None),
    )
    return bad[number % len(bad)]

"""Records, events and strategies for the tests of the fold."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis import strategies as st

from gnomon import codec
from gnomon.events import (
    AgentFeatures,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskFinished,
    TaskStarted,
)
from gnomon.features import FeaturesConfig, FeaturesState, fold
from gnomon.records import Headers, Outputs

T0 = 1_750_000_000_000
SECOND = 1_000
MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
APPENDED = T0 + 300 * DAY


@dataclass(frozen=True, slots=True)
class Record:
    value: bytes | None
    timestamp: int = APPENDED
    topic: str = "task-events"
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: Headers = field(default=())


def started(
    task: str, at: int, *, agent: str = "a", task_type: str = "x", estimate_s: float | None = None
) -> TaskStarted:
    return TaskStarted(
        agent_id=agent, task_id=task, task_type=task_type, started_at_ms=at, estimate_s=estimate_s
    )


def finished(
    task: str,
    at: int,
    *,
    agent: str = "a",
    task_type: str = "x",
    duration_s: float = 60.0,
    succeeded: bool = True,
    reviews: int | None = None,
    deployed: bool | None = None,
) -> TaskFinished:
    return TaskFinished(
        agent_id=agent,
        task_id=task,
        task_type=task_type,
        started_at_ms=at,
        finished_at_ms=at,
        duration_s=duration_s,
        succeeded=succeeded,
        code_review_iterations=reviews,
        deployment_succeeded=deployed,
    )


def cancelled(task: str, at: int, *, agent: str = "a") -> TaskCancelled:
    return TaskCancelled(agent_id=agent, task_id=task, cancelled_at_ms=at)


def records(events: Sequence[TaskEvent]) -> list[Record]:
    return [Record(codec.encode(event)) for event in events]


def vectors(outputs: Outputs) -> list[TaskFeatures]:
    written = outputs.by_topic.get("task-features", [])
    decoded = [codec.decode_task_features(value) for _, value in written if value is not None]
    assert [key for key, _ in written] == [v.agent_id.encode() for v in decoded]
    return decoded


def agents(outputs: Outputs) -> list[AgentFeatures]:
    written = outputs.by_topic.get("agent-features", [])
    decoded = [
        msgspec.json.decode(value, type=AgentFeatures) for _, value in written if value is not None
    ]
    assert [key for key, _ in written] == [v.agent_id.encode() for v in decoded]
    return decoded


def run(
    events: Sequence[TaskEvent],
    *,
    state: FeaturesState | None = None,
    config: FeaturesConfig | None = None,
) -> list[TaskFeatures]:
    """Fold the events as one batch and return the vectors of the starts."""
    state = FeaturesState() if state is None else state
    outputs = fold(state, records(events), config=config or FeaturesConfig())
    assert outputs.dead == []
    return vectors(outputs)


def last(events: Sequence[TaskEvent], *, config: FeaturesConfig | None = None) -> TaskFeatures:
    return run(events, config=config)[-1]


_times = st.builds(
    lambda step, jitter, days: T0 + step * 300_000 + jitter + days * DAY,
    st.integers(0, 40),
    st.sampled_from([0, 0, -1, 1]),
    st.sampled_from([0] * 20 + [1]),
)
_agents = st.sampled_from(["a", "b"])
_tasks = st.sampled_from([f"t{i}" for i in range(12)])
_types = st.sampled_from(["x", "y"])

events: st.SearchStrategy[list[TaskEvent]] = st.lists(
    st.one_of(
        st.builds(started, _tasks, _times, agent=_agents, task_type=_types),
        st.builds(
            finished,
            _tasks,
            _times,
            agent=_agents,
            task_type=_types,
            duration_s=st.floats(0, 100_000),
            succeeded=st.booleans(),
            reviews=st.none() | st.integers(0, 9),
            deployed=st.none() | st.booleans(),
        ),
        st.builds(cancelled, _tasks, _times, agent=_agents),
    ),
    max_size=60,
)
"""Events of two agents in any order, on a grid of five minutes so that every edge is hit."""

configs = st.builds(
    lambda minutes: FeaturesConfig(max_lateness_ms=minutes * MINUTE),
    st.sampled_from([0, 10, 60, 6000]),
)


def random_log(seed: int, *, count: int = 1500) -> list[TaskEvent]:
    """Two agents' tasks over five hours: arrival up to 15 min out of order, some ends repeated.

    About a hundred finishes an hour each, so that windows grow, shrink and are forgotten.
    """
    rng = random.Random(seed)  # noqa: S311  no secret
    log: list[tuple[int, TaskEvent]] = []
    for i in range(count // 2):
        agent, task, kind = rng.choice("ab"), f"t{i}", rng.choice("xy")
        start = T0 + rng.randrange(5 * HOUR)
        end = start + rng.randrange(2 * HOUR)
        log.append((start + _delay(rng), started(task, start, agent=agent, task_type=kind)))
        finish = finished(
            task,
            end,
            agent=agent,
            task_type=kind,
            duration_s=rng.expovariate(0.01),
            succeeded=rng.random() < 0.7,
            reviews=rng.choice([None, 0, 1, 5]),
            deployed=rng.choice([None, True, False]),
        )
        log.extend((end + _delay(rng), finish) for _ in range(rng.choice([1, 1, 1, 2])))
        if rng.random() < 0.1:
            log.append((end + _delay(rng), cancelled(task, end, agent=agent)))
    return [event for _, event in sorted(log, key=lambda arrival: arrival[0])]


def _delay(rng: random.Random) -> int:
    return rng.choice([0, 0, rng.randrange(2 * MINUTE), rng.randrange(15 * MINUTE)])

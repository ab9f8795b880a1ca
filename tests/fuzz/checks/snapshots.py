"""A snapshot of the features stage, its checksum made right: the compiled agents against Python's.

Both refuse it, or both hold the same state, which gives the same answers from then on.
"""

import zlib
from collections.abc import Sequence

from tests.unit.features.support import T0, Record, cancelled, finished, random_log, started

from gnomon import codec
from gnomon.events import TaskEvent
from gnomon.features import (
    FeaturesConfig,
    FeaturesState,
    SnapshotError,
    fold,
    implementation,
    restore,
    snapshot,
    tick,
)
from gnomon.features.memory.agent import Agent
from gnomon.features.memory.agent_memory import AgentMemory

CHECKSUM_AT = 18
LATEST_MS = 253_402_200_000_000
WORDS = (
    b"\xff" * 8, b"\x00" * 8, b"\xff" * 7 + b"\x7f", b"\x00" * 7 + b"\x80", b"\x01" + b"\x00" * 7,
    b"\x00" * 4, b"\xff" * 4, b"\xd3" + b"\xff" * 8, b"\xcf" + b"\xff" * 8, b"\xc0", b"\x90", b"\xc4",
)  # fmt: skip


def seeds() -> list[bytes]:
    """States of one agent and of several, before and after their windows are full."""
    found = []
    for seed, count in ((1, 0), (2, 4), (3, 40), (4, 150)):
        state = FeaturesState(Agent)
        _fold(state, random_log(seed, count=count))
        found.append(snapshot(state))
    state = FeaturesState(Agent)
    log: list[TaskEvent] = [started(f"t{i}", T0 + i, task_type=f"k{i % 3}") for i in range(40)]
    log += [finished(f"t{i}", T0 + i * 1_000, duration_s=i / 7, reviews=i) for i in range(30)]
    _fold(state, log)
    return [*found, snapshot(state)]


def check(data: bytes) -> None:
    """Restore ``data`` in both forms and compare what they hold and answer."""
    body = data[CHECKSUM_AT + 4 :]
    data = data[:CHECKSUM_AT] + zlib.crc32(body).to_bytes(4, "little") + body
    assert _answers(implementation.Agent, data) == _answers(Agent, data)


def _answers(form: type[AgentMemory], data: bytes) -> object:
    try:
        state = restore(data, form)
    except SnapshotError:
        return "refused"
    answers: list[object] = [snapshot(state)]
    for agent_id, agent in [*state.agents.items()][:3]:
        newest_ms = min(agent.newest_ms, LATEST_MS)
        answers.append(_fold(state, _later(agent_id, newest_ms), newest_ms + 9_000_000))
        answers.append(tick(state, newest_ms + 7_200_000).by_topic)
    answers.append(snapshot(state))
    return answers


def _later(agent_id: str, newest_ms: int) -> list[TaskEvent]:
    """Events that move the agent's window on, over its end and back."""
    log: list[TaskEvent] = []
    for i, step_ms in enumerate((0, 1, -600_000, 1_800_000, 2_400_000, 7_200_000, 7_100_000)):
        at_ms = max(newest_ms + step_ms, 0)
        log.append(started(f"t{i}", at_ms, agent=agent_id))
        log.append(finished(f"t{i}", at_ms, agent=agent_id, duration_s=float(i), reviews=i))
        log.append(cancelled(f"c{i}", at_ms, agent=agent_id))
    return log


def _fold(
    state: FeaturesState, log: Sequence[TaskEvent], at_ms: int = T0 + 9_000_000_000
) -> object:
    batch = [Record(codec.encode(event), timestamp=at_ms) for event in log]
    outputs = fold(state, batch, config=FeaturesConfig())
    return {topic: [*rows] for topic, rows in outputs.by_topic.items()}, len(outputs.dead)

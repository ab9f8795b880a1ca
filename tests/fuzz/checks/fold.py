"""Batches of task events through the features stage: the compiled loop against Python's.

A line is one record: the JSON of an event, or ``@TIMESTAMP JSON``. An empty line ends a batch, and
a line that is only ``null`` is a record without a value.
"""

import re
from collections.abc import Sequence
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from tests.fuzz.checks import events
from tests.unit.features.support import APPENDED, Record, random_log

from gnomon import codec
from gnomon.features import FeaturesConfig, FeaturesState, fold, implementation, snapshot, tick
from gnomon.features.memory.agent import Agent
from gnomon.features.memory.agent_memory import AgentMemory
from gnomon.runtime.kafka.compiled import batch_reader

WORDS = (*events.WORDS, b"\n", b"\n\n", b"@9223372036854775807 ", b"@-1 ", b"@0 ", b"null\n")
LINE = re.compile(rb"@(-?\d{1,19}) (.*)", re.DOTALL)
MAX_EVENTS = 60
MAX_BATCHES = 4
LIMIT = 1 << 63


def seeds() -> list[bytes]:
    """Short logs of several agents, and the examples of the contract as one batch."""
    examples = b"\n".join(events.seeds()).replace(b"\n\n", b"\n")
    logs = [
        b"\n".join(codec.encode(event) for event in random_log(seed, count=count))
        for seed, count in ((1, 3), (2, 12), (3, 40))
    ]
    jumps = logs[1].replace(b"\n", b"\n@1752592000000 ").replace(b"\n@", b"\n\n@", 3)
    return [examples, *logs, jumps]


def check(data: bytes) -> None:
    """Fold ``data`` in both ways: the same rows, dead letters and snapshot, to the last byte."""
    batches = [_records(batch) for batch in data.split(b"\n\n")[:MAX_BATCHES]]
    expected = _folded(Agent, batches)
    assert _folded(implementation.Agent, batches) == expected
    packed = [_packed(batch) for batch in batches]
    assert _folded(implementation.Agent, packed) == expected


def _records(batch: bytes) -> list[Record]:
    found = []
    for line in batch.split(b"\n")[:MAX_EVENTS]:
        timestamp = LINE.fullmatch(line)
        value = timestamp[2] if timestamp else line
        at_ms = min(max(int(timestamp[1]), -LIMIT), LIMIT - 1) if timestamp else APPENDED
        found.append(Record(None if value == b"null" else value, timestamp=at_ms))
    return found


def _packed(batch: Sequence[Record]) -> Any:
    """The same records as one batch of them is fetched."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 30)
    for offset, record in enumerate(batch):
        builder.append(offset, record.timestamp, None, record.value, [])
    return batch_reader.Reader(bytes(builder.build()), "task-events", 0, 0).take(len(batch))


def _folded(form: type[AgentMemory], batches: Sequence[Any]) -> object:
    state = FeaturesState(form)
    answers: list[object] = []
    for batch in batches:
        outputs = fold(state, batch, config=FeaturesConfig())
        rows = {topic: [*rows] for topic, rows in outputs.by_topic.items()}
        dead = [(letter.reason, letter.detail, letter.record.value) for letter in outputs.dead]
        answers.append((rows, dead, state.appended_ms))
    newest_ms = max((agent.newest_ms for agent in state.agents.values()), default=0)
    answers.append(tick(state, newest_ms + 1_800_000).by_topic)
    return answers, snapshot(state)

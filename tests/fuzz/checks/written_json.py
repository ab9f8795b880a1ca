"""Texts and numbers as they are written into vectors: the compiled writer against msgspec.

Each event takes its names, its estimate (any double) and its times from the bytes.
"""

import importlib
import math
import struct
from typing import Any

from tests.fuzz.checks.bytestream import ByteStream
from tests.unit.features.support import T0, Record

from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold, implementation
from gnomon.features.memory.agent import Agent

WORDS = (
    *(struct.pack("<d", value) for value in (5e-324, 1e16, 1e-5, 1.7976931348623157e308, 0.1)),
    *(struct.pack("<d", value) for value in (math.inf, -math.inf, math.nan, -0.0, 2.0**53)),
    b'\x01"', b"\x01\\", b"\x02\xc3\xa9", b"\x04\xf0\x9f\x98\x80", b"\x01\x1f", b"\x01\x7f",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Names of several lengths beside doubles of several sizes."""
    texts = (b"a", b"x" * 64, b"x" * 65, 'say "é"\\'.encode(), b"\x00\x1f\x7f")
    values = (0.0, 0.25, 1e-7, 123456789.125, 1e300)
    parts = [
        bytes([len(text)]) + text + struct.pack("<d", value)
        for text, value in zip(texts, values, strict=True)
    ]
    return [b"".join(parts), *parts]


def check(data: bytes) -> None:
    """Write vectors of events made of ``data`` in both ways: the same bytes."""
    compiled: Any = importlib.import_module("gnomon.features.compiled.batch")
    log = _events(ByteStream(data))
    records = [Record(b"", timestamp=T0)] * len(log)
    config = FeaturesConfig()
    answers = []
    for take, form in (
        (compiled.fold_events, implementation.Agent),
        (fold.__globals__["_fold_events"], Agent),
    ):
        vectors, agents = take(FeaturesState(form), records, log, config, [])
        answers.append(([*vectors], [*agents]))
    assert answers[0] == answers[1], answers


def _events(stream: ByteStream) -> list[TaskEvent]:
    found: list[TaskEvent] = []
    while stream and len(found) < 64:
        name = stream.text()
        (value,) = struct.unpack("<d", stream.take(8).ljust(8, b"\0"))
        context: dict[str, Any] = {name: value} if len(found) % 3 else {}
        at_ms = T0 - len(found) * 1_000
        found.append(
            TaskStarted(
                agent_id=name, task_id=f"{name}{len(found)}", task_type=name, started_at_ms=at_ms,
                estimate_s=value, context=context,
                sealed_context=name.encode() if len(found) % 4 == 1 else None,
            )
        )  # fmt: skip
        if 0 <= value <= 9_000_000:
            found.append(
                TaskFinished(
                    agent_id=name, task_id=f"{name}{len(found) - 1}", task_type=name,
                    started_at_ms=at_ms, finished_at_ms=at_ms, duration_s=value, succeeded=True,
                )
            )  # fmt: skip
    return found

"""Snapshots of the comparison state: a format version, a checksum, and MessagePack."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Counts, Decision, Progress
from gnomon.comparison.intervals.calibration import CountedTask, GroupKey
from gnomon.comparison.metrics.hour_sums import AgentSeries, MetricSeries
from gnomon.comparison.metrics.rolling_metrics import AgentKey
from gnomon.comparison.sources import Source, Sources
from gnomon.comparison.state import ComparisonState
from gnomon.events import Ledger
from gnomon.steps import Steps, finish
from gnomon.verdict import LiveEvidence
from gnomon.verdict.evidence.clock import AgentClock

MAGIC: Final = b"GNCM\x04"
"""First bytes of a snapshot; the last of them is the version of the format."""
_DIGEST_BYTES: Final = 16
_STEP_BYTES: Final = 1 << 16
"""Bytes encoded in one step, at least: they take about a millisecond."""
_ITEMS: Final = 1000
"""Items of a map that are encoded at once: no part takes longer than a few milliseconds."""


class _Tasks(msgspec.Struct, array_like=True):
    known: dict[str, dict[str, int]]
    agents: list[str]
    watermark_ms: int
    duplicate: int
    late: int
    orphan: int


class _Decisions(msgspec.Struct, array_like=True):
    unstarted: list[Decision]
    started: list[Decision]
    pending: list[Decision]
    features: Progress
    predictions: Progress
    counts: Counts
    starts: int
    sources: list[Source]


class _State(msgspec.Struct, array_like=True):
    tasks: _Tasks
    decisions: _Decisions
    series: dict[int, MetricSeries]
    agents: dict[AgentKey, AgentSeries]
    hour: int
    ledger: Ledger | None
    windows: dict[GroupKey, list[CountedTask]]
    evidence: bytes = b""
    unread: int = 0
    unwritten: list[AgentKey] = []
    clocks: dict[str, AgentClock] = {}
    uncorrected: list[GroupKey] = []


_decode = msgspec.msgpack.Decoder(_State).decode
_encode_into = msgspec.msgpack.Encoder().encode_into


def snapshot(state: ComparisonState) -> bytes:
    """Encode ``state`` as bytes, from which ``restore`` rebuilds it."""
    return finish(snapshot_steps(state))


def snapshot_steps(state: ComparisonState) -> Steps:
    """Encode ``state`` in steps; it must not be changed before the last.

    The bytes are those of a ``_State``, written part by part.
    """
    data, digest, done = bytearray(), blake2b(digest_size=_DIGEST_BYTES), 0
    for part in _parts(state):
        if isinstance(part, _Header):
            data += part
        else:
            _encode_into(part, data, -1)
        if len(data) - done >= _STEP_BYTES:
            digest.update(memoryview(data)[done:])
            done = len(data)
            yield
    digest.update(memoryview(data)[done:])
    return MAGIC + digest.digest() + data


class _Header(bytes):
    """The first bytes of an array or a map in MessagePack, whose items follow."""

    __slots__ = ()


def _array(items: int) -> _Header:
    return _Header(b"\xdd" + items.to_bytes(4, "big"))


def _map(items: int) -> _Header:
    return _Header(b"\xdf" + items.to_bytes(4, "big"))


def _parts(state: ComparisonState) -> Iterator[object]:
    """Yield the parts of a ``_State`` in the order of its fields; each is small."""
    tasks, decisions = state.tasks, state.decisions
    state.metrics.settle(decisions.sources)
    yield _array(len(_State.__struct_fields__))
    yield _array(len(_Tasks.__struct_fields__))
    yield _map(len(tasks.known))
    for agent_id, of_agent in tasks.known.items():
        yield agent_id
        yield from (of_agent,) if len(of_agent) <= _ITEMS else _in_map(of_agent)
    yield from (list(tasks.agents), tasks.watermark_ms, tasks.duplicate, tasks.late, tasks.orphan)
    yield _array(len(_Decisions.__struct_fields__))
    for waiting in (decisions.unstarted, decisions.started, decisions.pending):
        yield _array(len(waiting))
        yield from waiting.values()
    yield from (decisions.features, decisions.predictions, decisions.counts, decisions.starts)
    yield decisions.sources.names
    yield from _in_map(state.metrics.series)
    yield from _in_map(state.metrics.agents)
    yield state.metrics.hour
    yield state.ledger
    yield from _in_map(state.calibration.windows)
    yield state.evidence.encode()  # JSON, because its sums exceed 64 bits
    yield state.unread
    yield list(state.metrics.unwritten)
    yield from _in_map(state.evidence.clocks)
    yield state.calibration.unwritten


def _in_map(mapping: Mapping[Any, object]) -> Iterator[object]:
    yield _map(len(mapping))
    for key, value in mapping.items():
        yield key
        yield value


def restore(data: bytes, *, config: ComparisonConfig) -> ComparisonState:
    """Rebuild the state from the bytes that ``snapshot`` returned.

    Raises:
        ValueError: ``data`` is of another version, truncated or corrupt.
    """
    start = len(MAGIC) + _DIGEST_BYTES
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError(f"expected a snapshot that begins with {MAGIC!r}")
    payload = memoryview(data)[start:]
    if blake2b(payload, digest_size=_DIGEST_BYTES).digest() != data[len(MAGIC) : start]:
        raise ValueError("the snapshot's checksum is wrong: truncated or corrupt")
    state = ComparisonState(config.verdict)
    try:
        read = _decode(payload)
        if read.evidence:
            state.evidence = LiveEvidence.decode(read.evidence, read.clocks, config.verdict)
    except msgspec.DecodeError as error:
        raise ValueError(f"the snapshot is not of this version: {error}") from error
    _restore_tasks(state, read.tasks, config)
    _restore_decisions(state, read.decisions)
    state.metrics.restore(read.series, read.agents, read.hour, read.unwritten)
    state.ledger, state.unread = read.ledger, read.unread
    state.calibration.restore(read.windows, read.uncorrected)
    return state


def _restore_tasks(state: ComparisonState, read: _Tasks, config: ComparisonConfig) -> None:
    tasks = state.tasks
    tasks.known, tasks.agents = read.known, dict.fromkeys(read.agents)
    tasks.watermark_ms = read.watermark_ms
    tasks.duplicate, tasks.late, tasks.orphan = read.duplicate, read.late, read.orphan
    tasks.schedule(config.expire_after_ms)


def _restore_decisions(state: ComparisonState, read: _Decisions) -> None:
    decisions = state.decisions
    decisions.unstarted = {_key(decision): decision for decision in read.unstarted}
    decisions.started = {_key(decision): decision for decision in read.started}
    decisions.pending = {_key(decision): decision for decision in read.pending}
    decisions.features, decisions.predictions = read.features, read.predictions
    decisions.counts, decisions.starts = read.counts, read.starts
    decisions.sources = Sources(read.sources)


def _key(decision: Decision) -> tuple[str, str, int]:
    return decision.agent_id, decision.task_id, decision.started_at_ms

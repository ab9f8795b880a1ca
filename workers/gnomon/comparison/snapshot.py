"""Snapshots of the comparison state: a format version, a checksum, and MessagePack."""

from hashlib import blake2b
from typing import Final

import msgspec

from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Counts, Decision, Progress
from gnomon.comparison.intervals.calibration import CountedTask, GroupKey
from gnomon.comparison.metrics.hour_sums import MetricSeries
from gnomon.comparison.metrics.rolling_metrics import MetricSeriesKey
from gnomon.comparison.sources import Source, Sources
from gnomon.comparison.state import ComparisonState
from gnomon.events import Ledger
from gnomon.verdict import LiveEvidence

MAGIC: Final = b"GNCM\x02"
"""First bytes of a snapshot; the last of them is the version of the format."""
_DIGEST_BYTES: Final = 16


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
    series: dict[MetricSeriesKey, MetricSeries]
    hour: int
    ledger: Ledger | None
    windows: dict[GroupKey, list[CountedTask]]
    evidence: bytes = b""
    unwritten: list[MetricSeriesKey] = []


_decode = msgspec.msgpack.Decoder(_State).decode


def snapshot(state: ComparisonState) -> bytes:
    """Encode ``state`` as bytes, from which ``restore`` rebuilds it; ``state`` is not changed."""
    tasks, decisions = state.tasks, state.decisions
    payload = msgspec.msgpack.encode(
        _State(
            _Tasks(
                tasks.known,
                list(tasks.agents),
                tasks.watermark_ms,
                tasks.duplicate,
                tasks.late,
                tasks.orphan,
            ),
            _Decisions(
                list(decisions.unstarted.values()),
                list(decisions.started.values()),
                list(decisions.pending.values()),
                decisions.features,
                decisions.predictions,
                decisions.counts,
                decisions.starts,
                decisions.sources.names,
            ),
            state.metrics.series,
            state.metrics.hour,
            state.ledger,
            state.calibration.windows,
            state.evidence.encode(),  # JSON, because its sums exceed 64 bits
            list(state.metrics.unwritten),
        )
    )
    return MAGIC + blake2b(payload, digest_size=_DIGEST_BYTES).digest() + payload


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
            state.evidence = LiveEvidence.decode(read.evidence, config.verdict)
    except msgspec.DecodeError as error:
        raise ValueError(f"the snapshot is not of this version: {error}") from error
    _restore_tasks(state, read.tasks, config)
    _restore_decisions(state, read.decisions)
    state.metrics.restore(read.series, read.hour, read.unwritten)
    state.ledger = read.ledger
    state.calibration.windows = read.windows
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

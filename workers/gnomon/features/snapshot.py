"""A partition's state as bytes, and back.

``magic · version · CRC-32 · msgpack``; columns travel as little-endian bytes. What follows from
the rest (sums, order of durations, the watch) is built anew.
"""

import sys
import zlib
from array import array
from typing import Final, Literal

import msgspec

from gnomon.errors import GnomonError
from gnomon.features.agent import Agent
from gnomon.features.state import FeaturesState

_MAGIC: Final = b"gnomon.features\0"
_VERSION: Final = 1
_HEAD: Final = len(_MAGIC) + 2 + 4


class SnapshotError(GnomonError, ValueError):
    """These bytes are no snapshot that this release can read. Fold the log instead."""


class _Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One agent. Bytes are columns."""

    agent_id: str
    newest_ms: int
    appended_ms: int
    forgotten_finish_ms: int
    shown: int
    due_minute: int
    room: int
    times: bytes
    durations: bytes
    marks: bytes
    late: bytes
    ended_keys: bytes
    ended_whens: bytes
    flight_keys: bytes
    flight_times: bytes
    overall: bytes
    by_type: list[tuple[str, bytes]]


class _State(msgspec.Struct, array_like=True, frozen=True, gc=False):
    seen_from_ms: int
    appended_ms: int
    agents: list[_Row]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_State).decode


def snapshot(state: FeaturesState) -> bytes:
    """Write ``state`` down. It is not changed."""
    rows = [_row(agent_id, agent) for agent_id, agent in state.agents.items()]
    body = _encode(_State(state.seen_from_ms, state.appended_ms, rows))
    head = _MAGIC + _VERSION.to_bytes(2, "little") + zlib.crc32(body).to_bytes(4, "little")
    return head + body


def restore(data: bytes) -> FeaturesState:
    """Build the state that ``snapshot`` wrote down.

    Raises:
        SnapshotError: Cut short, damaged, of another kind or version, or of no use here.
    """
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _HEAD:
        raise SnapshotError("not a snapshot of features")
    version = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    if version != _VERSION:
        raise SnapshotError(f"version {version} of the snapshot is not {_VERSION}")
    body = memoryview(data)[_HEAD:]
    if zlib.crc32(body) != int.from_bytes(data[_HEAD - 4 : _HEAD], "little"):
        raise SnapshotError("the snapshot is damaged: its checksum differs")
    try:
        stored = _decode(body)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"the snapshot cannot be read: {error}") from error
    state = FeaturesState()
    state.seen_from_ms, state.appended_ms = stored.seen_from_ms, stored.appended_ms
    for row in stored.agents:
        state.put(row.agent_id, _agent(row))
    return state


def _row(agent_id: str, agent: Agent) -> _Row:
    window, flights, history = agent.window, agent.flights, agent.history
    return _Row(
        agent_id=agent_id,
        newest_ms=agent.newest_ms,
        appended_ms=agent.appended_ms,
        forgotten_finish_ms=agent.forgotten_finish_ms,
        shown=agent.shown,
        due_minute=agent.due_minute,
        room=agent.room,
        times=_bytes(window.times),
        durations=_bytes(window.durations),
        marks=_bytes(window.marks),
        late=_bytes(agent.late) if agent.late else b"",
        ended_keys=_bytes(agent.ended.keys),
        ended_whens=_bytes(agent.ended.whens),
        flight_keys=_bytes(array("q", flights.started)),
        flight_times=_bytes(array("q", flights.started.values())),
        overall=_bytes(history.overall),
        by_type=[(task_type, _bytes(ring)) for task_type, ring in history.by_type.items()],
    )


def _agent(row: _Row) -> Agent:
    agent = Agent(newest_ms=row.newest_ms, appended_ms=row.appended_ms)
    agent.forgotten_finish_ms = row.forgotten_finish_ms
    agent.shown, agent.due_minute, agent.room = row.shown, row.due_minute, row.room
    agent.window.times = _column("q", row.times)
    agent.window.durations = _column("q", row.durations)
    agent.window.marks = _column("i", row.marks)
    agent.late = _column("q", row.late) if row.late else None
    agent.ended.keys = _column("q", row.ended_keys)
    agent.ended.whens = _column("q", row.ended_whens)
    flight_times = _column("q", row.flight_times)
    agent.flights.started = dict(zip(_column("q", row.flight_keys), flight_times, strict=True))
    agent.flights.times = array("q", sorted(flight_times))
    agent.history.overall = _column("q", row.overall)
    agent.history.by_type = {
        sys.intern(task_type): _column("q", ring) for task_type, ring in row.by_type
    }
    return agent


def _bytes(column: "array[int]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _column(typecode: Literal["i", "q"], data: bytes) -> "array[int]":
    column = array(typecode, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column

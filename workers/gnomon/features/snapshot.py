"""A partition's state as bytes, and back.

The format is ``magic · version · CRC-32 · head · agents · producers``. The head, each agent and
each producer are msgpack behind their length in four bytes, so that no second copy of a large state
is ever made. What can be derived (sums, sorted durations, scheduled checks) is computed on
restoring. Version 2 is the same without producers.
"""

import zlib
from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Final

import msgspec

from gnomon.errors import GnomonError
from gnomon.features.memory.agent_memory import AgentColumns, AgentMemory
from gnomon.features.memory.columns import TIMES_END_MS
from gnomon.features.producers import Producers
from gnomon.features.received import Received, ReceivedColumns
from gnomon.features.state import FeaturesState
from gnomon.steps import Steps, finish

_MAGIC: Final = b"gnomon.features\0"
_VERSION: Final = 3
_READABLE: Final = (2, _VERSION)
_HEAD: Final = len(_MAGIC) + 2 + 4
_LENGTH: Final = 4
_STEP: Final = 64
"""Agents serialised in one step: about a millisecond."""


class SnapshotError(GnomonError, ValueError):
    """The bytes are no snapshot that this release can read; fold the log instead."""


class _Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    covered_from_ms: Annotated[int, msgspec.Meta(ge=-1, lt=TIMES_END_MS)]
    appended_ms: Annotated[int, msgspec.Meta(ge=-(2**63), lt=2**63 - 1)]
    agents: int
    older: int = 0
    newer: int = 0
    span: int = -1
    producers_appended_ms: int = 0
    repeated: int = 0
    torn: bool = False


_encode_into: Final = msgspec.msgpack.Encoder().encode_into
_decode_head: Final = msgspec.msgpack.Decoder(_Head).decode
_decode_agent: Final = msgspec.msgpack.Decoder(tuple[str, AgentColumns]).decode
_decode_producer: Final = msgspec.msgpack.Decoder(tuple[str, ReceivedColumns]).decode


def snapshot(state: FeaturesState) -> bytes:
    """Serialise ``state``, which is not changed."""
    return finish(snapshot_steps(state))


def snapshot_steps(state: FeaturesState) -> Steps:
    """Serialise ``state`` in steps; it must not be changed before the last."""
    data = bytearray(_MAGIC + _VERSION.to_bytes(2, "little") + bytes(4))
    producers = state.producers
    head = _Head(
        state.covered_from_ms,
        state.appended_ms,
        len(state.agents),
        len(producers.older),
        len(producers.newer),
        producers.span,
        producers.appended_ms,
        producers.repeated,
        state.torn,
    )
    _append(data, head)
    everything: Iterator[tuple[str, AgentMemory | Received]] = chain(
        state.agents.items(), producers.older.items(), producers.newer.items()
    )
    checksum, checked = 0, _HEAD
    for number, (name, memory) in enumerate(everything, start=1):
        _append(data, (name, memory.columns()))
        if not number % _STEP:
            checksum, checked = zlib.crc32(memoryview(data)[checked:], checksum), len(data)
            yield
    checksum = zlib.crc32(memoryview(data)[checked:], checksum)
    data[_HEAD - 4 : _HEAD] = checksum.to_bytes(4, "little")
    return bytes(data)


def restore(
    data: bytes, memory: type[AgentMemory] | None = None, *, partition: int = 0
) -> FeaturesState:
    """Build the state of ``partition`` that ``snapshot`` serialised.

    Raises:
        SnapshotError: The bytes are truncated, damaged, of another kind or version, or
            inconsistent.
    """
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _HEAD:
        raise SnapshotError("not a snapshot of features")
    version = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    if version not in _READABLE:
        raise SnapshotError(f"version {version} of the snapshot is none of {_READABLE}")
    body = memoryview(data)[_HEAD:]
    if zlib.crc32(body) != int.from_bytes(data[_HEAD - 4 : _HEAD], "little"):
        raise SnapshotError("the snapshot is damaged: its checksum differs")
    state = FeaturesState(partition=partition)
    state.memory = state.memory if memory is None else memory
    try:
        parts = _parts(body)
        head = _decode_head(next(parts, b""))
        for part in islice(parts, head.agents):
            agent_id, columns = _decode_agent(part)
            state.add(agent_id, state.memory.restored(columns))
        _put_producers(state.producers, head, parts)
    except (msgspec.DecodeError, ValueError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {error}") from error
    if len(state.agents) != head.agents:
        raise SnapshotError(f"{len(state.agents)} agents where there should be {head.agents}")
    if len(state.producers) != head.older + head.newer:
        raise SnapshotError("the number of producers differs from the number in the head")
    state.covered_from_ms, state.appended_ms = head.covered_from_ms, head.appended_ms
    state.torn = head.torn or head.covered_from_ms < 0
    return state


def _put_producers(producers: Producers, head: _Head, parts: Iterator[memoryview]) -> None:
    producers.span, producers.appended_ms = head.span, head.producers_appended_ms
    producers.repeated = head.repeated
    for at, part in enumerate(parts):
        producer_id, columns = _decode_producer(part)
        generation = producers.older if at < head.older else producers.newer
        generation[producer_id] = Received.restored(columns)


def _append(data: bytearray, part: object) -> None:
    at = len(data)
    data += bytes(_LENGTH)
    _encode_into(part, data, at + _LENGTH)
    data[at : at + _LENGTH] = (len(data) - at - _LENGTH).to_bytes(_LENGTH, "little")


def _parts(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        start = at + _LENGTH
        at = start + int.from_bytes(body[at:start], "little")
        yield body[start:at]

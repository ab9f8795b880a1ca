"""Record batches and Produce requests, encoded without aiokafka's copies.

aiokafka encodes a request field by field, joins the parts at each level, then adds the header and the
size. So a batch is copied eight times on its way to the socket, which is a sixth of a stage's time when
batches have megabytes.
"""

import struct
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol

from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.protocol.types import Schema, UnsignedVarInt32
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from gnomon.records import Headers, Keyed
from gnomon.runtime.kafka.compiled import batch_writer
from gnomon.runtime.kafka.transactions.requests import TEXT, ProduceResponse

MAX_BATCH_BYTES: Final = 1_000_000
"""Just under Kafka's default ``max.message.bytes``, which is per batch."""
SEQUENCES: Final = 1 << 31
"""Sequence numbers of a producer wrap to 0 after this many."""
_ACKS_ALL: Final = -1
_NO_HEADERS: Final[list[Any]] = []
_UNTAGGED: Final = b"\0"


class RecordBatch(Protocol):
    """One transactional record batch of magic 2, not compressed.

    Attributes:
        count: Number of records.
        size_bytes: Encoded size; a first record is accepted whatever its size.
    """

    @property
    def count(self) -> int: ...  # noqa: D102  documented above

    @property
    def size_bytes(self) -> int: ...  # noqa: D102  documented above

    def fill(self, rows: list[Keyed], start: int) -> int:
        """Append ``rows`` from ``start`` on; returns the index of the first that does not fit."""
        ...

    def take(self, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
        """Append one record; returns whether it fitted."""
        ...

    def build(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """Encode the batch; nothing can be appended afterwards."""
        ...


class AiokafkaRecordBatch:
    """A ``RecordBatch`` in Python: defines what the compiled ``batch_writer`` must do."""

    __slots__ = ("_builder", "count")

    def __init__(self, max_bytes: int) -> None:
        self._builder = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, 0, max_bytes)
        self.count = 0

    @property
    def size_bytes(self) -> int:
        """Encoded size."""
        return int(self._builder.size())

    def fill(self, rows: list[Keyed], start: int) -> int:
        """Append ``rows`` from ``start`` on; returns the index of the first that does not fit."""
        append, count = self._builder.append, self.count
        at = start
        for at in range(start, len(rows)):
            key, value = rows[at]
            if append(count, None, key, value, _NO_HEADERS) is None:
                break
            count += 1
        else:
            at = len(rows)
        self.count = count
        return at

    def take(self, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
        """Append one record; returns whether it fitted."""
        taken = self._builder.append(self.count, None, key, value, list(headers)) is not None
        self.count += taken
        return taken

    def build(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """Encode the batch; nothing can be appended afterwards."""
        self._builder.set_producer_state(producer_id, epoch, sequence)
        built: bytearray = self._builder.build()
        return built


def new_batch() -> RecordBatch:
    """Create an empty batch of up to ``MAX_BATCH_BYTES``."""
    form: type[RecordBatch] = batch_writer.RecordBatch if batch_writer else AiokafkaRecordBatch
    return form(MAX_BATCH_BYTES)  # type: ignore[call-arg]  # a protocol has no constructor


class EncodedRequest:
    """A request in parts that are joined only once.

    aiokafka's connection evaluates ``size + (header + request)`` and writes the result: the first
    addition only collects the header, the second joins all parts.
    """

    __slots__ = ("_has_header", "_parts", "_size")

    def __init__(self, parts: list[bytes | bytearray]) -> None:
        self._parts, self._size, self._has_header = parts, sum(map(len, parts)), False

    def __len__(self) -> int:
        """Size in bytes, including the header once it was added."""
        return self._size

    def __radd__(self, before: bytes) -> "EncodedRequest | memoryview":
        """Add the header; on the second call, add the size and return all bytes."""
        if self._has_header:
            # asyncio slices off what the socket did not accept; a slice of bytes would be a copy.
            return memoryview(b"".join((before, *self._parts)))
        with_header = EncodedRequest([before, *self._parts])
        with_header._has_header = True
        return with_header


class _ProduceStructV7(ProduceRequest_v7):  # type: ignore[misc]  # untyped
    """Produce, version 7, which Kafka accepts since 2.1."""

    def __init__(self, encoded: EncodedRequest) -> None:
        self._encoded = encoded

    def encode(self) -> EncodedRequest:
        return self._encoded


class _ProduceStructV12(RequestStruct):  # type: ignore[misc]  # untyped
    """Produce, version 12, which adds its partitions to the transaction."""

    FLEXIBLE_VERSION = True
    API_KEY = 0
    API_VERSION = 12
    RESPONSE_TYPE = ProduceResponse
    SCHEMA = Schema()

    def __init__(self, encoded: EncodedRequest) -> None:
        self._encoded = encoded

    def encode(self) -> EncodedRequest:
        return self._encoded


class ProduceRequestV7(Request[_ProduceStructV7]):  # type: ignore[misc]  # untyped
    """Produce, version 7: one batch for each partition, acknowledged by all replicas.

    Args:
        transactional_id: Of the transaction.
        timeout_ms: How long the leader may wait for the replicas.
        batches: Encoded batches by partition.
    """

    API_KEY: ClassVar[int] = 0

    def __init__(
        self,
        transactional_id: str,
        timeout_ms: int,
        batches: Mapping[TopicPartition, bytearray],
    ) -> None:
        self._transactional_id, self._timeout_ms = transactional_id, timeout_ms
        self._topics: dict[str, list[tuple[int, bytearray]]] = {}
        for tp, batch in batches.items():
            self._topics.setdefault(tp.topic, []).append((tp.partition, batch))

    def build(self, request_struct_class: type[_ProduceStructV7]) -> _ProduceStructV7:
        """Return the request in parts.

        Layout: https://kafka.apache.org/protocol.html#The_Messages_Produce (version 7).
        """
        parts: list[bytes | bytearray] = [
            _string(self._transactional_id),
            struct.pack(">hii", _ACKS_ALL, self._timeout_ms, len(self._topics)),
        ]
        for topic, partitions in self._topics.items():
            parts += (_string(topic), struct.pack(">i", len(partitions)))
            for partition, batch in partitions:
                parts += (struct.pack(">ii", partition, len(batch)), batch)
        return request_struct_class(EncodedRequest(parts))


class ProduceRequestV12(Request[_ProduceStructV12]):  # type: ignore[misc]  # untyped
    """Produce, version 12: also adds the partitions to the transaction (KIP-890).

    Args: as of ``ProduceRequestV7``.
    """

    API_KEY: ClassVar[int] = 0
    __init__ = ProduceRequestV7.__init__  # aiokafka allows a request no other base class

    def build(self, request_struct_class: type[_ProduceStructV12]) -> _ProduceStructV12:
        """Return the request in parts.

        Layout: as above, version 12. Lengths are encoded plus one, because 0 stands for null.
        """
        length = UnsignedVarInt32.encode
        parts: list[bytes | bytearray] = [
            TEXT.encode(self._transactional_id),
            struct.pack(">hi", _ACKS_ALL, self._timeout_ms),
            length(len(self._topics) + 1),
        ]
        for topic, partitions in self._topics.items():
            parts += (TEXT.encode(topic), length(len(partitions) + 1))
            for partition, batch in partitions:
                parts += (struct.pack(">i", partition), length(len(batch) + 1), batch, _UNTAGGED)
            parts.append(_UNTAGGED)
        return request_struct_class(EncodedRequest([*parts, _UNTAGGED]))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data

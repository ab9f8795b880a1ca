"""Record batches and the request that carries them, without aiokafka's copies of every part.

aiokafka encodes a request field by field and joins the parts of each level, and then the request to
its header and that to its size: a batch is copied eight times on its way to the socket, which with
batches of megabytes is a sixth of a stage's time.
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
from gnomon.runtime.kafka.compiled import recordbatch
from gnomon.runtime.kafka.txn_requests import TEXT, ProduceResponse

MAX_BATCH_BYTES: Final = 1_000_000
"""Just under Kafka's default ``max.message.bytes``, which is per batch."""
SEQUENCES: Final = 1 << 31
"""A producer's sequence numbers begin again at 0 after this many."""
_ACKS_ALL: Final = -1
_NO_HEADERS: Final[list[Any]] = []
_UNTAGGED: Final = b"\0"


class RecordBatch(Protocol):
    """One transactional record batch of magic 2, not compressed.

    Attributes:
        count: Records in it.
        size_bytes: As it will be sent; the first record is taken whatever its size.
    """

    @property
    def count(self) -> int: ...  # noqa: D102  told above

    @property
    def size_bytes(self) -> int: ...  # noqa: D102  told above

    def fill(self, rows: list[Keyed], start: int) -> int:
        """Take ``rows`` from ``start`` on; returns the index of the first it has no room for."""
        ...

    def take(self, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
        """Take one record, if there is room."""
        ...

    def build(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """Its bytes; nothing can be added any more."""
        ...


class AiokafkaRecordBatch:
    """A ``RecordBatch``: the definition of what ``recordbatch`` does in C."""

    __slots__ = ("_builder", "count")

    def __init__(self, most_bytes: int) -> None:
        self._builder = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, 0, most_bytes)
        self.count = 0

    @property
    def size_bytes(self) -> int:
        """As it will be sent."""
        return int(self._builder.size())

    def fill(self, rows: list[Keyed], start: int) -> int:
        """Take ``rows`` from ``start`` on; returns the index of the first it has no room for."""
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
        """Take one record, if there is room."""
        taken = self._builder.append(self.count, None, key, value, list(headers)) is not None
        self.count += taken
        return taken

    def build(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """Its bytes; nothing can be added any more."""
        self._builder.set_producer_state(producer_id, epoch, sequence)
        built: bytearray = self._builder.build()
        return built


def new_batch() -> RecordBatch:
    """An empty one, of up to ``MAX_BATCH_BYTES``."""
    form: type[RecordBatch] = recordbatch.RecordBatch if recordbatch else AiokafkaRecordBatch
    return form(MAX_BATCH_BYTES)  # type: ignore[call-arg]  # a protocol says nothing of it


class EncodedRequest:
    """A request in parts, joined once: where aiokafka's connection puts its size before it.

    The connection asks for ``size + (header + message)``, and writes that.
    """

    __slots__ = ("_headed", "_parts", "_size")

    def __init__(self, parts: list[bytes | bytearray]) -> None:
        self._parts, self._size, self._headed = parts, sum(map(len, parts)), False

    def __len__(self) -> int:
        """Bytes, the header among them once it is there."""
        return self._size

    def __radd__(self, before: bytes) -> "EncodedRequest | memoryview":
        """Take the header; the bytes, when the size follows."""
        if self._headed:
            # What the socket does not take at once is cut off: of bytes that is a copy.
            return memoryview(b"".join((before, *self._parts)))
        headed = EncodedRequest([before, *self._parts])
        headed._headed = True
        return headed


class _Encoded(ProduceRequest_v7):  # type: ignore[misc]  # untyped
    """The request of version 7, which Kafka has taken since 2.1."""

    def __init__(self, message: EncodedRequest) -> None:
        self._message = message

    def encode(self) -> EncodedRequest:
        return self._message


class _Encoded12(RequestStruct):  # type: ignore[misc]  # untyped
    """The request of version 12, by which its partitions become a part of the transaction."""

    FLEXIBLE_VERSION = True
    API_KEY = 0
    API_VERSION = 12
    RESPONSE_TYPE = ProduceResponse
    SCHEMA = Schema()

    def __init__(self, message: EncodedRequest) -> None:
        self._message = message

    def encode(self) -> EncodedRequest:
        return self._message


class ProduceRequestV7(Request[_Encoded]):  # type: ignore[misc]  # untyped
    """Produce with acknowledgement by all replicas, one batch for each partition.

    Args:
        transactional_id: Whose transaction it belongs to.
        timeout_ms: How long the leader may wait for the replicas.
        batches: By partition, as built.
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

    def build(self, request_struct_class: type[_Encoded]) -> _Encoded:
        """The request, in parts.

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


class ProduceRequestV12(Request[_Encoded12]):  # type: ignore[misc]  # untyped
    """The same, by which the partitions become a part of the transaction (KIP-890).

    Args:
        transactional_id: As above.
        timeout_ms: As above.
        batches: As above.
    """

    API_KEY: ClassVar[int] = 0
    __init__ = ProduceRequestV7.__init__  # aiokafka lets a request have no other base

    def build(self, request_struct_class: type[_Encoded12]) -> _Encoded12:
        """The request, in parts.

        Layout: as above, version 12. A length is one more than it is, so that 0 can say none.
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

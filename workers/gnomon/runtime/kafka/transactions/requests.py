"""Requests and responses of Kafka's second transaction protocol, which aiokafka does not define.

With ``transaction.version`` 2 (KIP-890, the default of a new cluster since Kafka 4.0) a broker adds a
partition to the transaction when the first batch for it arrives, and a group when its offsets do, so
AddPartitionsToTxn and AddOffsetsToTxn are not sent. Each end of a transaction gives the producer a new
epoch, so that a late request of one transaction cannot become part of the next.

Layouts: https://kafka.apache.org/protocol.html, in the versions that each class names.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

TEXT: Final = CompactString("utf-8")
TAGS: Final = ("tags", TaggedFields)
NO_TAGS: Final[dict[int, bytes]] = {}
_FINALIZED: Final = 2
"""Tag of the finalized features in the response to ApiVersions."""
_FEATURES: Final = CompactArray(("name", TEXT), ("max", Int16), ("min", Int16), TAGS)
_SOFTWARE: Final = ("gnomon", "1")


class FeaturesResponse(Response):  # type: ignore[misc]  # untyped
    """ApiVersions, version 3."""

    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("apis", CompactArray(("key", Int16), ("min", Int16), ("max", Int16), TAGS)),
        ("throttle_time_ms", Int32),
        TAGS,
    )

    @property
    def finalized_features(self) -> Mapping[str, int]:
        """The finalized version of each feature."""
        found = self.tags.get(_FINALIZED)
        return {} if found is None else {row[0]: row[1] for row in _FEATURES.decode(BytesIO(found))}

    def supports(self, needed: Mapping[int, int]) -> bool:
        """Whether the broker has the ``needed`` version of each request, by number of the request."""
        newest = {api[0]: api[2] for api in self.apis}
        return all(newest.get(api, -1) >= version for api, version in needed.items())


class _FeaturesStruct(RequestStruct):  # type: ignore[misc]  # untyped
    FLEXIBLE_VERSION = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = FeaturesResponse
    SCHEMA = Schema(("software_name", TEXT), ("software_version", TEXT), TAGS)

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """The old header, without tags: this response must be readable before versions are known."""
        return ResponseHeader_v0.decode(read_buffer)


class ApiVersionsRequestV3(Request[_FeaturesStruct]):  # type: ignore[misc]  # untyped
    """Ask for the features that the cluster has finalized."""

    API_KEY = 18

    def build(self, request_struct_class: type[_FeaturesStruct]) -> _FeaturesStruct:
        """Return the request, of the version that aiokafka has negotiated."""
        return request_struct_class(*_SOFTWARE, NO_TAGS)


class ProduceResponse(Response):  # type: ignore[misc]  # untyped
    """Produce, version 12."""

    API_KEY = 0
    API_VERSION = 12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("offset", Int64),
                        ("appended_at_ms", Int64),
                        ("log_start_offset", Int64),
                        ("record_errors", CompactArray(("at", Int32), ("text", TEXT), TAGS)),
                        ("error_message", TEXT),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        ("throttle_time_ms", Int32),
        TAGS,
    )


class EndResponse(Response):  # type: ignore[misc]  # untyped
    """EndTxn, version 5: carries the producer id and epoch for the next transaction."""

    API_KEY = 26
    API_VERSION = 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        TAGS,
    )


class _EndStruct(RequestStruct):  # type: ignore[misc]  # untyped
    FLEXIBLE_VERSION = True
    API_KEY = 26
    API_VERSION = 5
    RESPONSE_TYPE = EndResponse
    SCHEMA = Schema(
        ("transactional_id", TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("transaction_result", Boolean),
        TAGS,
    )


class EndTxnRequestV5(Request[_EndStruct]):  # type: ignore[misc]  # untyped
    """EndTxn, version 5: commits or aborts the transaction."""

    API_KEY = 26

    def __init__(self, transactional_id: str, producer: tuple[int, int], *, commit: bool) -> None:
        self._fields: tuple[Any, ...] = (transactional_id, *producer, commit, NO_TAGS)

    def build(self, request_struct_class: type[_EndStruct]) -> _EndStruct:
        """Return the request."""
        return request_struct_class(*self._fields)

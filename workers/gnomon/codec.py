"""Encodes and decodes records: the only module that does, except for the compiled writer and reader."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from gnomon.errors import EventError
from gnomon.events import (
    ClientEvent,
    Comparison,
    EvidenceEvent,
    Exposure,
    IntervalCorrection,
    MetricsEvent,
    ModelIntent,
    PredictionEvent,
    SealedDecision,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskStarted,
    VaultRootEvent,
)
from gnomon.records import SourceRecord
from gnomon.topics import MAX_EVENT_BYTES

encode: Final = msgspec.json.Encoder().encode
"""Any Struct of ``gnomon.events`` to JSON bytes. Not-a-number and infinity become ``null``."""

decode_task_event: Final = msgspec.json.Decoder(TaskEvent).decode
decode_task_features: Final = msgspec.json.Decoder(TaskFeatures).decode
decode_prediction: Final = msgspec.json.Decoder(PredictionEvent).decode
decode_comparison: Final = msgspec.json.Decoder(Comparison).decode
decode_metrics: Final = msgspec.json.Decoder(MetricsEvent).decode
decode_client_event: Final = msgspec.json.Decoder(ClientEvent).decode
decode_exposure: Final = msgspec.json.Decoder(Exposure).decode
decode_published: Final = msgspec.json.Decoder(TaskEvent | Exposure).decode
"""Whatever a client publishes."""
decode_sealed_decision: Final = msgspec.json.Decoder(SealedDecision).decode
decode_model_intent: Final = msgspec.json.Decoder(ModelIntent).decode
decode_evidence: Final = msgspec.json.Decoder(EvidenceEvent).decode
decode_vault_root: Final = msgspec.json.Decoder(VaultRootEvent).decode
decode_interval_correction: Final = msgspec.json.Decoder(IntervalCorrection).decode

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions that a decoder raises for bytes that are no record."""


def event_time_ms(event: TaskEvent) -> int:
    """The event time, by the agent's own clock."""
    if isinstance(event, TaskStarted):
        return event.started_at_ms
    return event.cancelled_at_ms if isinstance(event, TaskCancelled) else event.finished_at_ms


DecodeAll = Callable[[Sequence[SourceRecord]], Sequence[TaskEvent]]
"""The type of ``decode_all`` and of its compiled counterpart."""


def decode_all(records: Sequence[SourceRecord]) -> Sequence[TaskEvent]:
    """Decode all events in ``records``.

    Raises:
        TypeError: A record has no value.
        Exception: One of ``UNDECODABLE``; a record is too large or no event.
    """
    values: list[Any] = [record.value for record in records]
    if len(max(values, key=len, default=b"")) > MAX_EVENT_BYTES:
        raise msgspec.DecodeError("too many bytes")
    return [decode_task_event(value) for value in values]


def read_task_events(
    records: Sequence[SourceRecord], decode: DecodeAll = decode_all
) -> tuple[Sequence[SourceRecord], Sequence[TaskEvent], Sequence[tuple[SourceRecord, EventError]]]:
    """Decode a batch into the accepted records, their events, and the refused records with errors.

    Every stage accepts the same records. The caller checks the clocks of the events
    (``clock_refusal``).

    Args:
        records: One batch.
        decode: Decodes all records, or raises if one is refused.
    """
    try:
        return records, decode(records), ()
    except (*UNDECODABLE, TypeError):
        pass  # A record is refused; each is decoded again below to find out which.
    read = [(record, _read(record.value)) for record in records]
    accepted = [(record, event) for record, event in read if not isinstance(event, EventError)]
    return (
        [record for record, _ in accepted],
        [event for _, event in accepted],
        [(record, error) for record, error in read if isinstance(error, EventError)],
    )


def _read(value: bytes | None) -> TaskEvent | EventError:
    if value is None or len(value) > MAX_EVENT_BYTES:
        return refusal(value, ValueError())
    try:
        event: TaskEvent = decode_task_event(value)
    except UNDECODABLE as error:
        return refusal(value, error)
    return event


def clock_refusal(ahead_ms: int, max_clock_ahead_ms: int) -> EventError:
    """The refusal of an event whose time is ``ahead_ms`` after its record's timestamp."""
    return EventError(
        "clock_ahead", f"{ahead_ms} ms ahead of the record, at most {max_clock_ahead_ms}"
    )


def read_task_event(record: SourceRecord, *, max_clock_ahead_ms: int) -> TaskEvent:
    """Decode the task event in ``record``.

    Raises:
        EventError: The value is missing, larger than ``MAX_EVENT_BYTES`` or no task event, or its
            time is more than ``max_clock_ahead_ms`` after the record's timestamp.
    """
    event = _read(record.value)
    if isinstance(event, EventError):
        raise event
    ahead_ms = event_time_ms(event) - record.timestamp
    if ahead_ms > max_clock_ahead_ms:
        raise clock_refusal(ahead_ms, max_clock_ahead_ms)
    return event


def refusal(value: bytes | None, error: Exception) -> EventError:
    """The reason and detail of the dead letter for ``value``, which could not be decoded.

    The detail names the field and what was expected, but never contains the payload.
    """
    if value is None:
        return EventError("empty", "a record needs a value")
    if len(value) > MAX_EVENT_BYTES:
        return EventError("oversize", f"{len(value)} bytes, at most {MAX_EVENT_BYTES} are read")
    if isinstance(error, msgspec.ValidationError):
        unknown = "Invalid value" in str(error) and "$.kind" in str(error)
        return EventError("unknown_kind" if unknown else "invalid", _without_values(str(error)))
    return EventError("not_json", _without_values(str(error)))


def _without_values(message: str) -> str:
    """Keep the part of msgspec's message before its first quoted value, and the path."""
    path = message.rpartition(" - at ")[2] if " - at " in message else ""
    head = message.split("'", maxsplit=1)[0].strip() if "Invalid value" in message else message
    return f"{head} at {path}" if path and path not in head else head

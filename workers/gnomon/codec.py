"""Bytes to events and back: the only place that (de)serialises a record."""

from typing import Final

import msgspec

from gnomon.errors import EventError
from gnomon.events import (
    Comparison,
    MetricsEvent,
    ModelIntent,
    PredictionEvent,
    SealedDecision,
    TaskEvent,
    TaskFeatures,
)
from gnomon.topics import MAX_EVENT_BYTES

encode: Final = msgspec.json.Encoder().encode
"""Any Struct of ``gnomon.events`` to JSON bytes. Not-a-number and infinity become ``null``."""

decode_task_event: Final = msgspec.json.Decoder(TaskEvent).decode
decode_task_features: Final = msgspec.json.Decoder(TaskFeatures).decode
decode_prediction: Final = msgspec.json.Decoder(PredictionEvent).decode
decode_comparison: Final = msgspec.json.Decoder(Comparison).decode
decode_metrics: Final = msgspec.json.Decoder(MetricsEvent).decode
decode_sealed_decision: Final = msgspec.json.Decoder(SealedDecision).decode
decode_model_intent: Final = msgspec.json.Decoder(ModelIntent).decode


def refusal(value: bytes | None, error: Exception) -> EventError:
    """Say why ``value`` did not decode, as the reason and detail of a dead letter.

    The detail names the field and what was expected of it, never the payload.
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
    """Keep what msgspec says up to its first quoted value, and the path."""
    path = message.rpartition(" - at ")[2] if " - at " in message else ""
    head = message.split("'")[0].strip() if "Invalid value" in message else message
    return f"{head} at {path}" if path and path not in head else head

"""Reads the body of ``POST /v1/events``: one event, an array of events, or one event per line.

A client accepts every event that is read here; a property test checks this.
"""

from typing import Final

import msgspec

from gnomon.client.capture.validation import flat
from gnomon.codec import UNDECODABLE, decode_task_event, encode, refusal
from gnomon.errors import EventError
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished
from gnomon.topics import MAX_EVENT_BYTES

IDENTITY_BYTES: Final = 256
"""Bytes reserved for ``tenant``, ``producer_id`` and ``seq``, which the client adds when it sends an event."""
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_value: Final = msgspec.json.Decoder(msgspec.Raw).decode


def read_events(body: bytes, *, keeps_tenant: bool = True) -> list[TaskEvent | EventError]:
    """Return the events of ``body`` in their order, with an error in place of each invalid one.

    Args:
        body: The request.
        keeps_tenant: Whether an event keeps the tenant that its sender gave it.

    Raises:
        EventError: ``body`` begins like an array and is not valid JSON.
    """
    if body.lstrip()[:1] == b"[":
        try:
            return [_read(bytes(raw), keeps_tenant=keeps_tenant) for raw in _array(body)]
        except UNDECODABLE as error:
            raise EventError("not_json", str(error)) from error
    try:
        _value(body)
    except UNDECODABLE:
        return [
            _read(line, keeps_tenant=keeps_tenant) for line in body.splitlines() if line.strip()
        ]
    return [_read(body, keeps_tenant=keeps_tenant)]


def _read(raw: bytes, *, keeps_tenant: bool) -> TaskEvent | EventError:
    """Read one event, without its ``producer_id`` and ``seq``: the gateway's client sets its own."""
    try:
        event: TaskEvent = decode_task_event(raw)
    except UNDECODABLE as error:
        return refusal(raw, error)
    if not _is_flat(event):
        return EventError("invalid", "Expected integers of 64 bits in context and outcome")
    if event.producer_id is not None or event.seq is not None:
        event = msgspec.structs.replace(event, producer_id=None, seq=None)
    if event.tenant is not None and not keeps_tenant:
        event = msgspec.structs.replace(event, tenant=None)
    size = len(encode(event))
    if size > MAX_EVENT_BYTES - IDENTITY_BYTES:
        return EventError("oversize", f"{size} bytes, at most {MAX_EVENT_BYTES - IDENTITY_BYTES}")
    return event


def _is_flat(event: TaskEvent) -> bool:
    """Return whether a client accepts the event's mappings: it refuses integers over 64 bits."""
    if isinstance(event, TaskCancelled):
        return True
    mappings = (
        (event.context, event.outcome) if isinstance(event, TaskFinished) else (event.context,)
    )
    return not any(refused for _, _, refused in map(flat, mappings))

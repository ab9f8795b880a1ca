"""The audit: who opened sealed decisions, or made, changed or destroyed their keys."""

from typing import Literal

import msgspec

from gnomon.events.field_types import Count, EpochMs

AuditAction = Literal[
    "opened", "imported", "exported", "key_rotated", "keys_rewrapped", "reencrypted", "shredded"
]


class AuditEvent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="audit_event.v1"
):
    """One use of keys by one command.

    ``ended_at_ms`` is absent if the command has not ended, or was killed. ``scope`` is absent if the
    command was not about one scope. ``records`` is how many decisions it opened, sealed again or made
    unreadable, and ``unreadable`` how many it could not open. ``key_id`` is the key-encryption key, or who
    holds it. The event of a ``shredded`` scope is the certificate of its destruction.
    """

    event_id: str
    at_ms: EpochMs
    action: AuditAction
    actor: str
    command: str
    reason: str = ""
    scope: str | None = None
    key_id: str = ""
    detail: str = ""
    records: Count = 0
    unreadable: Count = 0
    ended_at_ms: EpochMs | None = None

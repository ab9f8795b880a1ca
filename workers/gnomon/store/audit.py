"""The table of the audit: an event is written before a key is used, and completed afterwards."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, select, update

from gnomon.events import AuditEvent
from gnomon.store.database import Database
from gnomon.store.schema import AUDIT

_C: Final = AUDIT.c
_COLUMNS: Final = tuple(AUDIT.c[name] for name in AuditEvent.__struct_fields__)


class AuditTable:
    """The table ``gnomon_audit``. gnomon never changes an event that has ended, and deletes none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, event: AuditEvent) -> None:
        """Store an event that has not ended; it is on disk when this returns."""
        with self._database.begin() as connection:
            connection.execute(
                AUDIT.insert(), {**msgspec.structs.asdict(event), "is_published": False}
            )

    def end(self, event: AuditEvent) -> None:
        """Complete the event with this id, unless it has ended."""
        values = msgspec.structs.asdict(event)
        with self._database.begin() as connection:
            open_event = (_C.event_id == event.event_id, _C.ended_at_ms.is_(None))
            connection.execute(update(AUDIT).where(*open_event).values(**values))

    def unfinished(self, action: str, scope: str) -> AuditEvent | None:
        """Return the latest event of this kind on ``scope`` that has not ended."""
        of_scope = (_C.action == action, _C.scope == scope, _C.ended_at_ms.is_(None))
        found = self._read(select(*_COLUMNS).where(*of_scope).order_by(_C.at_ms.desc()).limit(1))
        return found[0] if found else None

    def recent(self, limit: int) -> list[AuditEvent]:
        """Return the ``limit`` events that began last, newest first."""
        return self._read(
            select(*_COLUMNS).order_by(_C.at_ms.desc(), _C.event_id.desc()).limit(limit)
        )

    def unpublished(self, limit: int) -> list[AuditEvent]:
        """Return events that have ended and are not on the topic yet, oldest first."""
        waiting = (_C.ended_at_ms.is_not(None), _C.is_published.is_(False))
        return self._read(select(*_COLUMNS).where(*waiting).order_by(_C.at_ms).limit(limit))

    def mark_published(self, event_ids: Sequence[str]) -> None:
        """Note that these events are on the topic."""
        with self._database.begin() as connection:
            published = update(AUDIT).where(_C.event_id.in_(event_ids))
            connection.execute(published.values(is_published=True))

    def _read(self, query: Select[Any]) -> list[AuditEvent]:
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings()
            return [AuditEvent(**row) for row in rows]

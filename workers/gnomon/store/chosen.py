"""Which decisions of a store are meant."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select

from gnomon.store.schema import DECISIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which decisions: all, unless a field says otherwise.

    Attributes:
        since_ms: Ended at this time or later, epoch milliseconds.
        until_ms: Ended before this time.
        scope: Of this scope.
        status: ``matched``, ``expired`` or ``cancelled``.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    scope: str | None = None
    status: str | None = None


def narrowed(query: Select[Any], chosen: Chosen) -> Select[Any]:
    """Return ``query`` over the table of decisions, with only those that are chosen."""
    if chosen.since_ms is not None:
        query = query.where(DECISIONS.c.ended_at_ms >= chosen.since_ms)
    if chosen.until_ms is not None:
        query = query.where(DECISIONS.c.ended_at_ms < chosen.until_ms)
    if chosen.status is not None:
        query = query.where(DECISIONS.c.status == chosen.status)
    if chosen.scope is not None:
        query = query.where(DECISIONS.c.scope == chosen.scope)
    return query

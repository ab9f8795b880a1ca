"""What is read of the sealed decisions of a store, without a key."""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Select, func, select, tuple_

from gnomon.events import SealedDecision
from gnomon.store.chosen import Chosen, narrowed
from gnomon.store.database import Database
from gnomon.store.figures.tables import TASKS
from gnomon.store.keys import KeyTable
from gnomon.store.schema import DECISIONS

_COLUMNS: Final = tuple(DECISIONS.c[name] for name in SealedDecision.__struct_fields__)
_ORDER: Final = (DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a store, as far as it can be made without a key."""

    decisions: int
    by_status: dict[str, int]
    sealed_bytes: int
    first_ended_at_ms: int | None
    last_ended_at_ms: int | None
    keys: int


class DecisionReads:
    """Reads the table of decisions.

    Args:
        database: Of the store.

    Attributes:
        keys: The wrapped keys, for a ``KeyRing``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keys = KeyTable(database)

    def get(self, decision_id: str) -> SealedDecision | None:
        """Return one decision, or ``None``."""
        found = self._read(select(*_COLUMNS).where(DECISIONS.c.decision_id == decision_id))
        return found[0] if found else None

    def recent(self, limit: int) -> list[SealedDecision]:
        """Return the ``limit`` decisions that ended last, newest first."""
        return self._read(_ordered("newest").limit(limit))

    def newest(self, chosen: Chosen, *, limit: int, agent: str | None) -> list[SealedDecision]:
        """Return the ``limit`` decisions that ended last of those that are chosen, newest first.

        Args:
            chosen: Which decisions.
            limit: Most decisions.
            agent: Only of this agent, as the tables of numbers name it.
        """
        query = narrowed(_ordered("newest"), chosen).limit(limit)
        if agent is not None:
            of_agent = (TASKS.c.agent == agent) & (TASKS.c.decision_id == DECISIONS.c.decision_id)
            same_end = TASKS.c.ended_at_ms == DECISIONS.c.ended_at_ms
            query = query.where(select(TASKS.c.agent).where(of_agent, same_end).exists())
        return self._read(query)

    def iter_sealed(
        self,
        *,
        after_ms: int | None = None,
        batch: int = 1_000,
        order: Literal["oldest", "newest"] = "oldest",
    ) -> Iterator[SealedDecision]:
        """Yield every decision, ordered by its end and then by id.

        Each batch is read in a transaction of its own, so that a long iteration blocks no writer.
        A decision that is stored meanwhile is included if the iteration has not passed its end.

        Args:
            after_ms: Only decisions that ended later than this, epoch milliseconds.
            batch: Number of rows of one read.
            order: ``oldest`` or ``newest`` first.
        """
        every = _ordered(order)
        if after_ms is not None:
            every = every.where(DECISIONS.c.ended_at_ms > after_ms)
        page = self._read(every.limit(batch))
        while page:
            yield from page
            last = tuple_(*_ORDER), (page[-1].ended_at_ms, page[-1].decision_id)
            rest = last[0] > last[1] if order == "oldest" else last[0] < last[1]
            page = self._read(every.where(rest).limit(batch)) if len(page) == batch else []

    def count(self, chosen: Chosen | None = None) -> int:
        """Return the number of decisions, or of those that are chosen."""
        query = narrowed(select(func.count()).select_from(DECISIONS), chosen or Chosen())
        with self._database.begin() as connection:
            return int(connection.execute(query).scalar_one())

    def summary(self) -> Summary:
        """Return counts, bytes and times of the whole store. This reads every row."""
        by_status = select(
            DECISIONS.c.status,
            func.count(),
            func.sum(func.length(DECISIONS.c.sealed)),
            func.min(DECISIONS.c.ended_at_ms),
            func.max(DECISIONS.c.ended_at_ms),
        ).group_by(DECISIONS.c.status)
        with self._database.begin() as connection:
            found = connection.execute(by_status.order_by(DECISIONS.c.status)).all()
        return Summary(
            decisions=sum(row[1] for row in found),
            by_status={row[0]: row[1] for row in found},
            sealed_bytes=sum(int(row[2]) for row in found),
            first_ended_at_ms=min((row[3] for row in found), default=None),
            last_ended_at_ms=max((row[4] for row in found), default=None),
            keys=self.keys.count(),
        )

    def _read(self, query: Select[Any]) -> list[SealedDecision]:
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings()
            return [SealedDecision(**row) for row in rows]


def _ordered(order: Literal["oldest", "newest"]) -> Select[Any]:
    by = _ORDER if order == "oldest" else tuple(column.desc() for column in _ORDER)
    return select(*_COLUMNS).order_by(*by)

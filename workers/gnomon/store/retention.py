"""Deletes decisions that are older than a time, unless a hold forbids it."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, delete, select

from gnomon.errors import ConfigurationError, OvertakenError
from gnomon.events import SealedDecision
from gnomon.store.database import Database
from gnomon.store.figures.tables import HOLDS
from gnomon.store.figures.writing import FigureTables
from gnomon.store.keys import put_missing
from gnomon.store.roots import (
    Addition,
    CommandRoots,
    RootLog,
    drop_lists,
    listed_partitions,
)
from gnomon.store.schema import DECISIONS
from gnomon.vault.tamper import HOUR_MS, hour_of

EVERY_SCOPE: Final = "*"
"""In a hold: the decisions of all scopes."""
_AT_ONCE: Final = 2_000


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of ``scope`` may not be deleted before ``until_ms``, epoch milliseconds."""

    id: str
    scope: str
    until_ms: int
    reason: str
    made_by: str
    made_at_ms: int


class _Step(NamedTuple):
    """Decisions of one hour, by end and id, and whether all of it may go and these are the last."""

    rows: list[tuple[int, str]]
    hour: int
    is_whole_hour: bool


class Retention:
    """Holds and deletion in one store. Every method raises ``StoreUnavailableError`` if it does not answer.

    Args:
        database: The store.
        figures: Its tables of numbers.
    """

    def __init__(self, database: Database, figures: FigureTables) -> None:
        self._database, self._figures = database, figures

    def hold(self, *, scope: str, until_ms: int, reason: str, made_by: str, now_ms: int) -> Hold:
        """Store a hold, and return it."""
        made = Hold(
            id=secrets.token_hex(4),
            scope=scope,
            until_ms=until_ms,
            reason=reason,
            made_by=made_by,
            made_at_ms=now_ms,
        )
        with self._database.begin() as connection:
            connection.execute(HOLDS.insert(), msgspec.structs.asdict(made))
        return made

    def holds(self, *, now_ms: int | None = None) -> list[Hold]:
        """Return the holds, the oldest first; with ``now_ms`` only those that are in force."""
        with self._database.begin() as connection:
            return _holds(connection, now_ms)

    def release(self, hold_id: str) -> bool:
        """Delete a hold; return whether there was one."""
        with self._database.begin() as connection:
            return connection.execute(delete(HOLDS).where(HOLDS.c.id == hold_id)).rowcount == 1

    def require_none_held(self, *, before_ms: int, scope: str | None, now_ms: int) -> None:
        """Check that no decision that ended before ``before_ms`` is held.

        Raises:
            ConfigurationError: One is.
        """
        with self._database.begin() as connection:
            _require_none_held(connection, before_ms, scope, now_ms)

    def prune(
        self,
        *,
        before_ms: int,
        scope: str | None,
        now_ms: int,
        roots: CommandRoots,
        at_once: int = _AT_ONCE,
    ) -> Iterator[int]:
        """Delete decisions that ended before ``before_ms``, with their numbers, the oldest first.

        Each step is a transaction: holds are checked in it, and the iteration may end at any step. A
        step has decisions of one hour. With the last of an hour, the lists of their hashes go too.

        Args:
            before_ms: Epoch milliseconds.
            scope: Only of this scope; ``None`` for all.
            now_ms: The current time.
            roots: Says in the trees what was deleted.
            at_once: Most decisions of one step.

        Yields:
            How many decisions a step deleted.

        Raises:
            ConfigurationError: A hold forbids it.
        """
        self.require_none_held(before_ms=before_ms, scope=scope, now_ms=now_ms)
        oldest = partial(_oldest, before_ms=before_ms, scope=scope, at_once=at_once)
        held = partial(_require_none_held, before_ms=before_ms, scope=scope, now_ms=now_ms)
        while deleted := roots.together(partial(self._delete, oldest, held)):
            yield deleted

    def _delete(
        self,
        oldest: Callable[[Connection], _Step],
        require_none_held: Callable[[Connection], None],
        log: RootLog,
    ) -> tuple[int, Sequence[Addition]]:
        """Delete one step; return how many decisions, and what was added to the trees."""
        with self._database.begin() as connection:
            step = oldest(connection)
            whole = listed_partitions(connection, step.hour) if step.is_whole_hour else []
            removed = [] if step.is_whole_hour else _rows(connection, step)
        if not step.rows:
            return 0, ()
        if step.is_whole_hour:
            additions = [log.dropping(partition, step.hour) for partition in whole]
        else:
            additions = [log.removal(removed)]
        with self._database.begin() as connection:
            put_missing(connection, [key for each in additions for key in each.keys])
            for addition in additions:
                log.write(connection, addition)
            require_none_held(connection)
            is_same = oldest(connection) == step
            if not is_same or (removed and _rows(connection, step) != removed):
                raise OvertakenError("decisions were stored while others were deleted")
            for partition in whole:
                drop_lists(connection, step.hour, partition)
            self._figures.forget(connection, step.rows)
            ids = [each for _, each in step.rows]
            connection.execute(delete(DECISIONS).where(DECISIONS.c.decision_id.in_(ids)))
        return len(step.rows), additions


def _oldest(connection: Connection, *, before_ms: int, scope: str | None, at_once: int) -> _Step:
    order = (DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)
    query = _older(before_ms, scope).order_by(*order).limit(at_once + 1)
    found = [(at, each) for at, each in connection.execute(query)]
    hour = hour_of(found[0][0]) if found else 0
    of_hour = [row for row in found if hour_of(row[0]) == hour]
    is_last = scope is None and (hour + 1) * HOUR_MS <= before_ms and len(of_hour) <= at_once
    return _Step(of_hour[:at_once], hour, is_last)


def _rows(connection: Connection, step: _Step) -> list[SealedDecision]:
    """Return the rows of a step, which nobody changes before the transaction ends."""
    columns = [DECISIONS.c[name] for name in SealedDecision.__struct_fields__]
    wanted = DECISIONS.c.decision_id.in_([name for _, name in step.rows])
    query = select(*columns).where(wanted).order_by(DECISIONS.c.decision_id).with_for_update()
    return [SealedDecision(**row) for row in connection.execute(query).mappings()]


def _holds(connection: Connection, now_ms: int | None) -> list[Hold]:
    query = select(HOLDS).order_by(HOLDS.c.made_at_ms, HOLDS.c.id)
    if now_ms is not None:
        query = query.where(HOLDS.c.until_ms > now_ms)
    return [Hold(**row) for row in connection.execute(query).mappings()]


def _require_none_held(
    connection: Connection, before_ms: int, scope: str | None, now_ms: int
) -> None:
    for hold in _holds(connection, now_ms):
        if scope is not None and hold.scope not in {scope, EVERY_SCOPE}:
            continue
        of = scope if hold.scope == EVERY_SCOPE else hold.scope
        if connection.execute(_older(before_ms, of).limit(1)).first() is not None:
            whose = "all scopes" if hold.scope == EVERY_SCOPE else f"scope {hold.scope!r}"
            raise ConfigurationError(
                f"hold {hold.id} keeps the decisions of {whose}: {hold.reason}. Nothing was deleted;"
                f" when it no longer holds: gnomon vault release {hold.id}"
            )


def _older(before_ms: int, scope: str | None) -> Select[Any]:
    query = select(DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)
    query = query.where(DECISIONS.c.ended_at_ms < before_ms)
    return query if scope is None else query.where(DECISIONS.c.scope == scope)

"""Replaces the sealed bytes of decisions by those of another key; who, what and when stay as they are."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select, update

from gnomon.errors import OvertakenError
from gnomon.events import SealedDecision
from gnomon.store.database import Database
from gnomon.store.keys import put_missing
from gnomon.store.roots import COMMANDS, Addition, RootLog
from gnomon.store.schema import DECISIONS
from gnomon.vault import KeyRow

_C: Final = DECISIONS.c
_COLUMNS: Final = tuple(DECISIONS.c[name] for name in SealedDecision.__struct_fields__)


class Resealing:
    """Reads the decisions of a scope page by page, and replaces some of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, scope: str, *, after: str, limit: int) -> list[SealedDecision]:
        """Return decisions of ``scope`` with ids greater than ``after``, in the order of their ids."""
        wanted = select(*_COLUMNS).where(_C.scope == scope, _C.decision_id > after)
        with self._database.begin() as connection:
            rows = connection.execute(wanted.order_by(_C.decision_id).limit(limit)).mappings()
            return [SealedDecision(**row) for row in rows]

    def replace(
        self,
        pairs: Sequence[tuple[SealedDecision, SealedDecision]],
        *,
        keys: Sequence[KeyRow],
        log: RootLog,
    ) -> Addition:
        """Replace each first row by the second, in one transaction with what covers the second rows.

        Args:
            pairs: Rows as they were read, and what takes their place.
            keys: They seal the second rows.
            log: The trees of this store.

        Returns:
            What was added to the trees.

        Raises:
            KeyDestroyedError: One of ``keys`` was shredded meanwhile.
            OvertakenError: A row or the trees were changed meanwhile: read the rows again.
        """
        addition = log.addition(COMMANDS, [new for _, new in pairs])
        changed = (
            update(DECISIONS)
            .where(_C.decision_id == bindparam("id"), _C.sealed == bindparam("before"))
            .values(sealed=bindparam("after"), key_id=bindparam("by"))
        )
        with self._database.begin() as connection:
            put_missing(connection, [*keys, *addition.keys])
            log.write(connection, addition)
            replaced = sum(
                connection.execute(
                    changed,
                    {
                        "id": old.decision_id,
                        "before": old.sealed,
                        "after": new.sealed,
                        "by": new.key_id,
                    },
                ).rowcount
                for old, new in pairs
            )
            if replaced != len(pairs):
                raise OvertakenError("a decision was stored again while it was sealed anew")
        return addition

"""Covers what commands store, replace and delete, so that a verification finds none of it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import Connection

from gnomon.errors import OvertakenError
from gnomon.events import SealedDecision
from gnomon.store.roots.addition import Addition
from gnomon.store.roots.writing import COMMANDS, RootLog
from gnomon.vault import KeyRow

_ATTEMPTS: Final = 20
_T = TypeVar("_T")
Beside = Callable[[Connection], None]
"""Writes the trees in an open transaction."""


class CommandRoots:
    """The trees as one command writes them. For one thread.

    Args:
        log: The trees of the store.
        check: Called once, before anything is sealed, to check that the key is the store's.
    """

    def __init__(self, log: RootLog, *, check: Callable[[], object]) -> None:
        self._log, self._check, self._is_ready = log, check, False

    def together(self, attempt: Callable[[RootLog], tuple[_T, Sequence[Addition]]]) -> _T:
        """Run ``attempt``, and again from its beginning if somebody else has added to its trees meanwhile.

        A store of an earlier gnomon is covered first.

        Args:
            attempt: Makes additions, commits them with what they cover, and returns its result with
                what it has committed.

        Raises:
            OvertakenError: Somebody else was always faster. Nothing was stored.
        """
        self._make_ready()
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                done, written = attempt(self._log)
            except BaseException as error:
                self._log.forget_all()  # whether it was committed is not known
                if not isinstance(error, OvertakenError) or not attempts_left:
                    raise
            else:
                for addition in written:
                    self._log.stored(addition)
                return done
        raise AssertionError("the last attempt returns or raises")

    def add(
        self, rows: Sequence[SealedDecision], store: Callable[[Sequence[KeyRow], Beside], object]
    ) -> None:
        """Have ``store`` store ``rows`` with what covers them.

        Args:
            rows: The decisions, in order.
            store: Stores them in one transaction, the given keys with them, and calls what it is given
                in it; after a rollback it may try once more.

        Raises:
            EventError: A row can never be stored; none of ``rows`` was.
        """

        def attempt(log: RootLog) -> tuple[None, Sequence[Addition]]:
            addition = log.addition(COMMANDS, rows)
            store(addition.keys, lambda connection: log.write(connection, addition))
            return None, [addition]

        if rows:
            self.together(attempt)

    def _make_ready(self) -> None:
        if not self._is_ready:
            self._check()
            self._log.cover_all()
            self._is_ready = True

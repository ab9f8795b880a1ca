"""Opens the decisions of the vault one after another, so that memory does not grow with their number."""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from gnomon.errors import UnreadableError
from gnomon.events import Comparison, SealedDecision
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, open_decision

logger = logging.getLogger(__name__)


class VaultReader:
    """Reads and opens the decisions of one store.

    Args:
        settings: Settings of the store and the key.

    Attributes:
        store: The store, closed by ``close``.
        unreadable: Number of decisions of the last ``decisions()`` that could not be opened, by reason.

    Raises:
        KeyUnavailableError: There is no key.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = DecisionStore(settings.store_url)
        self.unreadable: Counter[str] = Counter()
        self._keyring = KeyRing(load_key(settings), self.store.keys)

    def decisions(
        self, *, ended_since_ms: int | None = None, ended_before_ms: int | None = None
    ) -> Iterator[Comparison]:
        """Yield every decision that opens, in the order in which their tasks ended.

        Args:
            ended_since_ms: Only tasks that ended at this time or later, epoch milliseconds.
            ended_before_ms: Only tasks that ended before this time, epoch milliseconds.

        Raises:
            ConfigurationError: There is no store, or its key is another.
            StoreUnavailableError: The store does not answer.
        """
        after_ms = None if ended_since_ms is None else ended_since_ms - 1
        for sealed in self._sealed(after_ms=after_ms):
            if ended_before_ms is not None and sealed.ended_at_ms >= ended_before_ms:
                break
            if (decision := self._open(sealed)) is not None:
                yield decision
        self._log_unreadable()

    def newest(self, most: int | None = None) -> Iterator[Comparison]:
        """Yield the ``most`` decisions that ended last and open, newest first; by default all that open.

        Raises:
            ConfigurationError: There is no store, or its key is another.
            StoreUnavailableError: The store does not answer.
        """
        opened = (self._open(sealed) for sealed in self._sealed(order="newest"))
        yield from islice((decision for decision in opened if decision is not None), most)
        self._log_unreadable()

    def _sealed(
        self, *, after_ms: int | None = None, order: Literal["oldest", "newest"] = "oldest"
    ) -> Iterator[SealedDecision]:
        self.unreadable.clear()
        self.store.check()
        check_key(self._keyring, self.store.canary)
        return self.store.iter_sealed(after_ms=after_ms, order=order)

    def _open(self, sealed: SealedDecision) -> Comparison | None:
        try:
            return open_decision(self._keyring, sealed)
        except UnreadableError as error:
            self.unreadable[error.reason] += 1
            return None

    def _log_unreadable(self) -> None:
        if self.unreadable:
            logger.warning("vault.unreadable", extra={"by_reason": dict(self.unreadable)})

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

"""Decisions of the vault, opened one after another: memory does not grow with their number."""

import logging
from collections import Counter
from collections.abc import Iterator

from gnomon.errors import UnreadableError
from gnomon.events import Comparison
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, open_decision

logger = logging.getLogger(__name__)


class VaultReader:
    """Reads and opens the decisions of one store.

    Args:
        settings: Name the store and the key.

    Attributes:
        store: The store, closed by ``close``.
        unreadable: How many decisions of the last ``decisions()`` could not be opened, by reason.

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
            ended_since_ms: Only tasks that ended then or later.
            ended_before_ms: Only tasks that ended earlier than this.

        Raises:
            ConfigurationError: There is no store, or its key is another.
            StoreUnavailableError: The store does not answer.
        """
        self.unreadable.clear()
        self.store.check()
        check_key(self._keyring, self.store.canary)
        after_ms = None if ended_since_ms is None else ended_since_ms - 1
        for sealed in self.store.iter_sealed(after_ms=after_ms):
            if ended_before_ms is not None and sealed.ended_at_ms >= ended_before_ms:
                break
            try:
                yield open_decision(self._keyring, sealed)
            except UnreadableError as error:
                self.unreadable[error.reason] += 1
        if self.unreadable:
            logger.warning("vault.unreadable", extra={"by_reason": dict(self.unreadable)})

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

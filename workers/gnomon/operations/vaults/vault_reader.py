"""Opens the decisions of the vault one after another, so that memory does not grow with their number."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from typing import Literal

from gnomon.errors import UnreadableError
from gnomon.events import Comparison, SealedDecision
from gnomon.long_work import ProgressCallback, counted, no_progress
from gnomon.operations.audit import audited
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.store.chosen import Chosen
from gnomon.vault import check_key, open_decision

logger = logging.getLogger(__name__)


class VaultReader:
    """Reads and opens the decisions of one store.

    Args:
        settings: Settings of the store and the key.
        command: The command that reads, for the audit.
        reason: Why, for the audit.

    Attributes:
        store: The store, closed by ``close``.
        unreadable: Number of decisions of the last ``decisions()`` that could not be opened, by reason.

    Raises:
        KeyUnavailableError: There is no key.
    """

    def __init__(self, settings: Settings, *, command: str = "gnomon", reason: str = "") -> None:
        self._settings, self._command, self._reason = settings, command, reason
        self.store = DecisionStore(settings.store_url)
        self.unreadable: Counter[str] = Counter()
        self._keyring = open_ring(settings, self.store)

    def decisions(
        self,
        *,
        ended_since_ms: int | None = None,
        ended_before_ms: int | None = None,
        on_progress: ProgressCallback = no_progress,
    ) -> Iterator[Comparison]:
        """Yield every decision that opens, in the order in which their tasks ended.

        Args:
            ended_since_ms: Only tasks that ended at this time or later, epoch milliseconds.
            ended_before_ms: Only tasks that ended before this time, epoch milliseconds.
            on_progress: Takes the progress.

        Raises:
            ConfigurationError: There is no store, or its key is another.
            StoreUnavailableError: The store does not answer.
        """
        after_ms = None if ended_since_ms is None else ended_since_ms - 1
        sealed = self._sealed(after_ms=after_ms)
        if ended_before_ms is not None:
            sealed = takewhile(lambda each: each.ended_at_ms < ended_before_ms, sealed)
        total = self.store.count(Chosen(since_ms=ended_since_ms, until_ms=ended_before_ms))
        yield from self._opened(counted(sealed, on_progress, "reading decisions", total))

    def newest(self, most: int | None = None) -> Iterator[Comparison]:
        """Yield the ``most`` decisions that ended last and open, newest first; by default all that open.

        Raises:
            ConfigurationError: There is no store, or its key is another.
            StoreUnavailableError: The store does not answer.
        """
        yield from self._opened(self._sealed(order="newest"), most)

    def _sealed(
        self, *, after_ms: int | None = None, order: Literal["oldest", "newest"] = "oldest"
    ) -> Iterator[SealedDecision]:
        self.unreadable.clear()
        self.store.check()
        check_key(self._keyring, self.store.canary)
        return self.store.iter_sealed(after_ms=after_ms, order=order)

    def _opened(
        self, sealed: Iterable[SealedDecision], most: int | None = None
    ) -> Iterator[Comparison]:
        """Yield what opens, and record it in the audit: first that it begins, then how many they were."""
        with audited(
            self._settings,
            self.store,
            "opened",
            command=self._command,
            reason=self._reason,
            key_id=self._keyring.provider.id,
        ) as use:
            opened = (decision for each in sealed if (decision := self._open(each)) is not None)
            try:
                for decision in islice(opened, most):
                    use.records += 1
                    yield decision
            finally:
                use.unreadable = self.unreadable.total()
        self._log_unreadable()

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

"""From the vault to the registry: read decisions, fit, evaluate, register. All calls block."""

import logging
from collections import Counter
from dataclasses import dataclass

from gnomon.errors import UnreadableError
from gnomon.events import Comparison
from gnomon.models.registry import Registry
from gnomon.models.train import Trained, train
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, open_decision

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """Decisions of a vault, and how many could not be opened, by reason."""

    decisions: list[Comparison]
    unreadable: Counter[str]


def warm_up(settings: Settings) -> None:
    """Make the registry ready: the first look makes its tables, which takes seconds.

    Raises:
        RegistryUnavailableError: The registry does not answer.
    """
    Registry(uri=settings.mlflow_uri, model_name=settings.model_name).live()


class Trainer:
    """Trains on all of a vault's decisions.

    Args:
        settings: Which vault, key and registry.
        author: Who registers.
        min_decisions: Fewer with an outcome are refused.

    Raises:
        KeyUnavailableError: No key, or one that does not open this store.
    """

    def __init__(self, settings: Settings, *, author: str, min_decisions: int = 20) -> None:
        self._author, self._min_decisions = author, min_decisions
        self._store = DecisionStore(settings.store_url)
        self._keyring = KeyRing(load_key(settings), self._store.keys)
        self._registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)

    def stored(self) -> int:
        """Decisions in the vault, opened or not."""
        return self._store.count() if self._store.exists() else 0

    def train(self, *, alias: str = "challenger") -> str:
        """Fit a version, register it under ``alias``, and return it.

        Raises:
            ConfigurationError: There is no store, or too few decisions have an outcome.
            RegistryUnavailableError: The registry does not answer.
        """
        return self.register(self.fit(self.open_all().decisions), alias=alias)

    def open_all(self) -> Opened:
        """Every decision that opens.

        Raises:
            ConfigurationError: There is no store, or its key is another.
        """
        self._store.check()
        check_key(self._keyring, self._store.canary)
        opened = Opened([], Counter())
        for sealed in self._store.iter_sealed():
            try:
                opened.decisions.append(open_decision(self._keyring, sealed))
            except UnreadableError as error:
                opened.unreadable[error.reason] += 1
        if opened.unreadable:
            logger.warning("vault.unreadable", extra={"by_reason": dict(opened.unreadable)})
        return opened

    def fit(self, decisions: list[Comparison]) -> Trained:
        """Fit and evaluate.

        Raises:
            ConfigurationError: Too few decisions have an outcome.
        """
        return train(decisions, min_decisions=self._min_decisions)

    def register(self, trained: Trained, *, alias: str) -> str:
        """Register it; the version.

        Raises:
            RegistryUnavailableError: The registry does not answer.
        """
        return self._registry.register(trained, alias=alias, author=self._author)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

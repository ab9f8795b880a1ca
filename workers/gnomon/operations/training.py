"""Trains models: reads decisions from the vault, fits, evaluates and registers. All calls block."""

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
    """The decisions of a vault, and how many could not be opened, by reason."""

    decisions: list[Comparison]
    unreadable: Counter[str]


def warm_up(settings: Settings) -> None:
    """Make the registry ready: the first access creates its tables, which takes seconds.

    Raises:
        RegistryUnavailableError: The registry does not answer.
    """
    Registry(uri=settings.mlflow_uri, model_name=settings.model_name).live()


class Trainer:
    """Trains on all of a vault's decisions.

    Args:
        settings: Of vault, key and registry.
        author: Recorded with each registered version.
        min_decisions: Least number of decisions with an outcome.

    Raises:
        KeyUnavailableError: There is no key, or it does not open this store.
    """

    def __init__(self, settings: Settings, *, author: str, min_decisions: int = 20) -> None:
        self._author, self._min_decisions = author, min_decisions
        self._store = DecisionStore(settings.store_url)
        self._keyring = KeyRing(load_key(settings), self._store.keys)
        self._registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)

    def stored(self) -> int:
        """Return the number of decisions in the vault."""
        return self._store.count() if self._store.exists() else 0

    def train(self, *, alias: str = "challenger") -> str:
        """Fit a version, register it under ``alias``, and return the version.

        Raises:
            ConfigurationError: There is no store, or too few decisions have an outcome.
            RegistryUnavailableError: The registry does not answer.
        """
        return self.register(self.fit(self.open_all().decisions), alias=alias)

    def open_all(self) -> Opened:
        """Open every decision that can be opened.

        Raises:
            ConfigurationError: There is no store, or it has another key.
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
        """Fit and evaluate a model.

        Raises:
            ConfigurationError: Too few decisions have an outcome.
        """
        return train(decisions, min_decisions=self._min_decisions)

    def register(self, trained: Trained, *, alias: str) -> str:
        """Register a trained model; returns its version.

        Raises:
            RegistryUnavailableError: The registry does not answer.
        """
        return self._registry.register(trained, alias=alias, author=self._author)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

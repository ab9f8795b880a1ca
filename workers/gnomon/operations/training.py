"""From the vault to the registry: read decisions, fit, evaluate, register. All calls block."""

from collections import Counter
from dataclasses import dataclass

from gnomon.events import Comparison
from gnomon.models.registry import Registry
from gnomon.models.train import Trained, train
from gnomon.operations.vault_reader import VaultReader
from gnomon.settings import Settings


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
        self._vault = VaultReader(settings)
        self._registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)

    def stored(self) -> int:
        """Decisions in the vault, opened or not."""
        store = self._vault.store
        return store.count() if store.exists() else 0

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
        decisions = list(self._vault.decisions())
        return Opened(decisions, self._vault.unreadable)

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
        """Close the store's connections."""
        self._vault.close()

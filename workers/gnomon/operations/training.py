"""Reads decisions from the vault, fits and evaluates a model, and registers it. All calls block."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison
from gnomon.models.intents import CHALLENGER, wanted
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.registry import Registry
from gnomon.models.selection import Selection, select
from gnomon.models.train import Trained, train
from gnomon.operations.intent_log import ControlTopic, now_ms
from gnomon.operations.learning import Learnt, NothingToLearnError
from gnomon.operations.switching import ModelSwitch
from gnomon.operations.vault_reader import VaultReader
from gnomon.settings import Settings
from gnomon.store import DecisionStore


@dataclass(frozen=True, slots=True)
class Opened:
    """Decisions of a vault, and the number that could not be opened, by reason."""

    decisions: list[Comparison]
    unreadable: Counter[str]


def warm_up(settings: Settings) -> None:
    """Create the tables of the registry, which the first access does and which takes seconds.

    Raises:
        RegistryUnavailableError: The registry does not answer.
    """
    Registry(uri=settings.mlflow_uri, model_name=settings.model_name).live()


class Trainer:
    """Trains on the newest decisions of a vault.

    Args:
        settings: Settings of the vault, the key and the registry.
        author: Name of the user who registers versions.
        min_decisions: Least number of decisions with an outcome.
        learner: Name of the learner.

    Raises:
        KeyUnavailableError: No key, or one that does not open this store.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        author: str,
        min_decisions: int = 20,
        learner: str = DEFAULT,
    ) -> None:
        self._author, self._min_decisions = author, min_decisions
        self._learner = LEARNERS[learner]
        self._vault = VaultReader(settings)
        self._registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
        self._intents = ControlTopic(settings)
        self._switch = ModelSwitch(self._registry, self._intents, author=author, now_ms=now_ms)

    @property
    def store(self) -> DecisionStore:
        """Return the store that is read."""
        return self._vault.store

    def stored(self) -> int:
        """Return the number of decisions in the vault, whether or not they can be opened."""
        return self.store.count() if self.store.exists() else 0

    def train(self, *, alias: str = CHALLENGER) -> str:
        """Fit a version, register it under ``alias``, and return it.

        Raises:
            ConfigurationError: There is no store, or too few decisions have an outcome.
            RegistryUnavailableError: The registry does not answer.
        """
        trained = self.fit(self.open_all().decisions)
        return self._registry.register(trained, alias=alias, author=self._author)

    def learn(self, most_decisions: int, still_held: Callable[[], bool]) -> Learnt:
        """Fit and register a version; it becomes the challenger if it is better than that one.

        Args:
            most_decisions: Number of newest decisions to read.
            still_held: Returns whether the lease is held; called before anything is registered or moved.

        Raises:
            NothingToLearnError: Too few decisions have an outcome, or the lease was lost.
            ConfigurationError: There is no store, or its key is another.
            TransientError: Store, registry or broker do not answer. A repeat is safe.
        """
        decisions = self.open_newest(most_decisions).decisions
        try:
            trained = self.fit(decisions)
        except ConfigurationError as error:
            raise NothingToLearnError(str(error)) from error
        selection = self._selection(decisions)
        if not still_held():
            raise NothingToLearnError("another process has begun to learn")
        version = self._registry.register(trained, alias=None, author=self._author)
        is_challenger = selection is None or selection.is_better
        if is_challenger:
            self._switch.promote(version, alias=CHALLENGER, action="register")
        return Learnt(
            version=version,
            decisions=trained.decisions,
            is_challenger=is_challenger,
            selection=selection,
        )

    def open_all(self) -> Opened:
        """Return every decision that opens.

        Raises:
            ConfigurationError: There is no store, or its key is another.
        """
        return Opened(list(self._vault.decisions()), self._vault.unreadable)

    def open_newest(self, most: int) -> Opened:
        """Return the ``most`` decisions that ended last and open.

        Raises:
            ConfigurationError: There is no store, or its key is another.
        """
        return Opened(list(self._vault.newest(most)), self._vault.unreadable)

    def fit(self, decisions: list[Comparison]) -> Trained:
        """Fit and evaluate a model.

        Raises:
            ConfigurationError: Too few decisions have an outcome.
        """
        return train(decisions, learner=self._learner(), min_decisions=self._min_decisions)

    def close(self) -> None:
        """Close the store's connections."""
        self._vault.close()

    def _selection(self, decisions: list[Comparison]) -> Selection | None:
        """Compare with the current challenger, identified by the SHA-256 of its file."""
        for each in wanted(self._intents.read(), self._registry.live()):
            if each.alias == CHALLENGER and each.sha256 is not None:
                return select(decisions, self._learner(), current_sha256=each.sha256)
        return None

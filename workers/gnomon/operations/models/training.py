"""Reads decisions from the vault, fits and evaluates a model, and registers it. All calls block."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison
from gnomon.long_work import ProgressCallback, counted, no_progress
from gnomon.models.describe import Circumstances, card_file, described
from gnomon.models.evaluation import Plan
from gnomon.models.intents import CHALLENGER, CHAMPION, Wanted, wanted
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.registry import REASON_TAG, Registry
from gnomon.models.sample import Sample, SamplingRule, sample
from gnomon.models.selection import Selection, select
from gnomon.models.train import Trained, train
from gnomon.operations.models.drift_watch import FIRST_LOOK, DriftWatch
from gnomon.operations.models.feature_drift import moved_since_training
from gnomon.operations.models.intent_log import ControlTopic, now_ms
from gnomon.operations.models.learning import Learnt, NothingToLearnError
from gnomon.operations.models.patience import patiently
from gnomon.operations.models.switching import ModelSwitch
from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.settings import Settings
from gnomon.store import DecisionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a training is done.

    Attributes:
        learner: Name of the learner.
        min_decisions: Least number of decisions with an outcome.
        rule: Which decisions of the vault are used.
        plan: Origins of the evaluation.
        analysis: Whether to store importances, contributions and pictures beside the version.
        data_licence: Licence of the data, for the model card.
    """

    learner: str = DEFAULT
    min_decisions: int = 20
    rule: SamplingRule = field(default_factory=SamplingRule)
    plan: Plan = field(default_factory=Plan)
    analysis: bool = False
    data_licence: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """A trained model, with the decisions that it was chosen from.

    Attributes:
        read: Number of decisions that were read.
        unreadable: Number of decisions that could not be opened, by reason.
        current: The version that the new one would replace, if there is one.
    """

    trained: Trained
    read: int
    unreadable: Counter[str]
    current: Wanted | None


def warm_up(settings: Settings) -> None:
    """Create the tables of the registry, which otherwise the first registration does, in seconds.

    Raises:
        RegistryUnavailableError: The registry does not answer.
    """
    Registry(uri=settings.mlflow_uri, model_name=settings.model_name).prepare()


class Trainer:
    """Trains on the decisions of a vault.

    Args:
        settings: Settings of the vault, the key and the registry.
        author: Name of the user who registers versions.
        options: How to train.
        sleep: Waits for a number of seconds before a repeated registration.
        on_progress: Takes the progress of reading and fitting; it may be replaced.

    Raises:
        KeyUnavailableError: No key, or one that does not open this store.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        author: str,
        options: Options | None = None,
        sleep: Callable[[float], object] = time.sleep,
        on_progress: ProgressCallback = no_progress,
    ) -> None:
        self._author, self._sleep, self.on_progress = author, sleep, on_progress
        self._options = options or Options()
        self._vault = VaultReader(settings, command="gnomon train or learn")
        self._registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
        self._intents = ControlTopic(settings)
        self._watch = DriftWatch()
        self._switch = ModelSwitch(self._registry, self._intents, author=author, now_ms=now_ms)

    @property
    def store(self) -> DecisionStore:
        """Return the store that is read."""
        return self._vault.store

    def stored(self) -> int:
        """Return the number of decisions in the vault, whether or not they can be opened."""
        return self.store.count() if self.store.exists() else 0

    def train(self, *, alias: str = CHALLENGER) -> str:
        """Fit a version, register it under ``alias`` in the registry alone, and return it.

        Raises:
            ConfigurationError: There is no store, or too few decisions have an outcome.
            RegistryUnavailableError: The registry did not answer for a minute.
        """
        return self.register(self.fit(None), reason="asked", alias=alias)

    def learn(self, reason: str, still_held: Callable[[], bool]) -> Learnt:
        """Fit and register a version; it becomes the challenger if it is better than that one.

        Args:
            reason: Why it is time to train; stored with the version.
            still_held: Returns whether the lease is held; called before anything is registered or moved.

        Raises:
            NothingToLearnError: Too few decisions have an outcome, or the lease was lost.
            ConfigurationError: There is no store, or its key is another.
            TransientError: Store, registry or broker do not answer. A repeat is safe.
        """
        current = self._predicting().get(CHALLENGER)
        try:
            fit = self.fit(current)
        except ConfigurationError as error:
            raise NothingToLearnError(str(error)) from error
        selection = _selection(fit)
        if not still_held():
            raise NothingToLearnError("another process has begun to learn")
        version = self.register(fit, reason=reason)
        is_challenger = selection is None or selection.is_better
        if is_challenger:
            self._switch.promote(version, alias=CHALLENGER, action="register")
        return Learnt(
            version=version,
            decisions=fit.trained.decisions,
            is_challenger=is_challenger,
            selection=selection,
            reason=reason,
        )

    def fit(self, current: Wanted | None) -> Fit:
        """Fit a model on the decisions that the rule chooses, and evaluate it.

        Args:
            current: The version that the new one would replace, to evaluate it on the same runs.

        Raises:
            ConfigurationError: There is no store, its key is another, or too few decisions have an outcome.
        """
        options = self._options
        newest = counted(
            self._vault.newest(), self.on_progress, "reading decisions", self._most_read()
        )
        chosen: Sample = sample(newest, options.rule)
        unreadable = Counter(self._vault.unreadable)
        trained = train(
            chosen.runs,
            learner=LEARNERS[options.learner](),
            plan=options.plan,
            min_decisions=options.min_decisions,
            current_sha256=None if current is None else current.sha256,
            read=chosen.read,
            on_progress=self.on_progress,
        )
        return Fit(trained, chosen.read, unreadable, current)

    def register(self, fit: Fit, *, reason: str, alias: str | None = None) -> str:
        """Register the model with its description, and return the version. Repeats for up to a minute.

        Args:
            fit: The model.
            reason: Why it was trained; stored as a tag of the version.
            alias: The alias to move in the registry alone.

        Raises:
            RegistryUnavailableError: The registry, its storage or the disk cannot be used.
        """
        circumstances = Circumstances(
            reason=reason,
            sample=f"{self._options.rule}: {fit.trained.decisions:,} of {fit.read:,} read",
            data_licence=self._options.data_licence,
            current=None if fit.current is None else fit.current.version,
        )
        files: Mapping[str, bytes] = card_file(fit.trained, circumstances)
        if self._options.analysis:
            files = {**files, **described(fit.trained)}
        return patiently(
            lambda: self._registry.register(
                fit.trained,
                alias=alias,
                author=self._author,
                files=files,
                tags={REASON_TAG: reason},
            ),
            sleep=self._sleep,
        )

    def replaced_by(self, alias: str, *, ask_broker: bool = True) -> Wanted | None:
        """Return the version that has ``alias``, else the champion; ``None`` if there is neither.

        Args:
            alias: The alias that the new version is to have.
            ask_broker: Whether to read the intents, which define the aliases, or the registry alone.

        Raises:
            BrokerUnavailableError: No broker answers.
            RegistryUnavailableError: The registry does not answer.
        """
        predicting = self._predicting(ask_broker=ask_broker)
        return predicting.get(alias) or predicting.get(CHAMPION)

    def drifted(self, since_ms: int) -> str | None:
        """Return how losses of a live version have risen since ``since_ms``, or how features have moved.

        Raises:
            TransientError: Store, registry or broker do not answer.
        """
        live = {each.sha256: each.version for each in self._predicting().values() if each.sha256}
        if self._watch.until_ms is None:
            decisions: Iterable[Comparison] = reversed(list(self._vault.newest(FIRST_LOOK)))
        else:
            decisions = self._vault.decisions(ended_since_ms=self._watch.until_ms)
        rose = self._watch.worsened(decisions, live, since_ms=since_ms)
        return rose or moved_since_training(self._registry, self._watch.rows_since(since_ms))

    def _most_read(self) -> int:
        """Return how many decisions are read, at most."""
        most, stored = self._options.rule.most_read, self.stored()
        return stored if most is None else min(most, stored)

    def close(self) -> None:
        """Close the store's connections."""
        self._vault.close()

    def _predicting(self, *, ask_broker: bool = True) -> dict[str, Wanted]:
        """Return the live versions by their alias."""
        intents = self._intents.read() if ask_broker else {}
        return {each.alias: each for each in wanted(intents, self._registry.live())}


def _selection(fit: Fit) -> Selection | None:
    """Compare the model with the current challenger, identified by the SHA-256 of its file."""
    if fit.current is None or fit.current.sha256 is None:
        return None
    held_out = fit.trained.held_out
    return select(held_out[-1] if held_out else None, current_sha256=fit.current.sha256)

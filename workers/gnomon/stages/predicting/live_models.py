"""The model versions that predict right now, followed without a restart.

The intents on the control topic say which version each alias shall have; an alias without an intent
follows the registry. A version that may not be used is named once and left out. A version that
cannot be loaded for now is tried again, and the one that its alias had before goes on meanwhile.
While the registry does not answer, the versions already loaded go on. No error ends the following.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from gnomon.errors import (
    ConfigurationError,
    ModelRefusedError,
    RegistryUnavailableError,
    TransientError,
)
from gnomon.events import AbsentModel
from gnomon.models.intents import Aliased, Intents, Wanted, wanted
from gnomon.models.predictor import LoadedModel
from gnomon.records import SourceRecord
from gnomon.runtime.background import BackgroundWork, failing
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.not_loaded import PASSING, NotLoaded

logger = logging.getLogger(__name__)


class ModelSource(Protocol):
    """Where versions come from; the registry is one. Its calls block."""

    def live(self) -> Sequence[Aliased]:
        """Versions that should predict; raises ``RegistryUnavailableError``."""
        ...

    def load(self, version: str, *, sha256: str | None = None) -> LoadedModel:
        """One version; raises ``ModelRefusedError`` or ``RegistryUnavailableError``."""
        ...


class ReadIntents(Protocol):
    """Reads the control topic from its beginning."""

    def __call__(self, *, follow: bool) -> AsyncIterator[SourceRecord]:
        """Yield its records, and go on at its end if ``follow``.

        Raises:
            TransientError: No broker answers.
            ConfigurationError: There is no control topic.
        """
        ...


class LiveModels:
    """Keeps ``live`` as the intents and the registry say.

    Args:
        source: The registry.
        model: Name of the registered model.
        poll_s: Seconds between two looks at the registry, and between tries to load a version.
        metrics: Where to count.
        read_intents: Reads the control topic; ``None`` follows the registry alone.
        clock_s: Monotonic seconds.

    Attributes:
        live: The loaded versions, the champion first. It is replaced, never changed.
    """

    def __init__(
        self,
        source: ModelSource,
        *,
        model: str,
        poll_s: float,
        metrics: Metrics,
        read_intents: ReadIntents | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.live: Sequence[LoadedModel] = ()
        self._source, self._model, self._poll_s = source, model, poll_s
        self._metrics, self._read_intents, self._clock_s = metrics, read_intents, clock_s
        for reason in sorted(PASSING):  # shown as 0: the first refusal is an increase
            metrics.count("gnomon_models_refused_total", 0, reason)
        self._intents = Intents(model)
        self._registered: Sequence[Aliased] = ()
        self._wanted: Sequence[Wanted] = ()
        self._by_alias: dict[str, LoadedModel] = {}
        self._not_loaded = NotLoaded()
        self._registry_error: str | None = None
        self._changed = asyncio.Event()
        self._watching = BackgroundWork("following the registry", self._watch, pause_s=poll_s)
        self._following = BackgroundWork(
            "following the control topic", self._follow, pause_s=poll_s
        )

    async def start(self) -> None:
        """Load what is live before the first task is predicted; then keep following."""
        if self._read_intents is not None:
            with contextlib.suppress(TransientError, ConfigurationError):
                await self._read_to_end(self._read_intents)
        await self.refresh()
        self._watching.start()
        if self._read_intents is not None:
            self._following.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._watching.stop()
        await self._following.stop()

    async def refresh(self) -> None:
        """Load what is wanted and not loaded; drop what is no longer wanted."""
        await self._ask_registry()
        self._wanted = wanted(self._intents.by_alias, self._registered)
        self._not_loaded.keep_only(self._wanted)
        loaded = {model.sha256: model for model in self.live}
        by_alias: dict[str, LoadedModel] = {}
        for each in self._wanted:
            model = _among(loaded.values(), each) or await self._load(each)
            if model is None and self._not_loaded.waits(each):
                model = self._by_alias.get(each.alias)
            if model is not None:
                loaded[model.sha256] = by_alias[each.alias] = model
        self._by_alias = by_alias
        self._replace(tuple({model.sha256: model for model in by_alias.values()}.values()))

    def status(self) -> Mapping[str, object]:
        """Return what is wanted, loaded, refused and waited for, each with its reason."""
        return {
            "models": [
                {"name": m.name, "version": m.version, "sha256": m.sha256} for m in self.live
            ],
            "wanted": [each._asdict() for each in self._wanted],
            "refused": self._not_loaded.reasons("refused"),
            "waiting": self._not_loaded.reasons("waiting"),
            "registry": "ok" if self._registry_error is None else self._registry_error,
        }

    def absent(self) -> list[AbsentModel]:
        """Return the versions that should predict and cannot be used, with the reasons."""
        return self._not_loaded.absent(self._model)

    def degraded(self) -> Sequence[str]:
        """Return what keeps predictions from being as wanted, a sentence each."""
        found = [] if self._registry_error is None else [f"registry: {self._registry_error}"]
        found += failing((self._watching, self._following))
        return found + self._not_loaded.sentences()

    async def _ask_registry(self) -> None:
        try:
            self._registered = await asyncio.to_thread(self._source.live)
        except RegistryUnavailableError as error:
            if self._registry_error is None:
                logger.warning("registry.unavailable", extra={"reason": str(error)})
            self._registry_error = str(error)
        else:
            self._registry_error = None
        self._metrics.set("gnomon_registry_up", self._registry_error is None)

    async def _load(self, each: Wanted) -> LoadedModel | None:
        if not self._not_loaded.due(each, self._clock_s()):
            return None
        try:
            model = await asyncio.to_thread(self._source.load, each.version, sha256=each.sha256)
        except ModelRefusedError as error:
            self._note(each, error.reason, str(error))
        except RegistryUnavailableError as error:
            self._note(each, "unavailable", str(error))
        except Exception as error:  # foreign code loads it: the other versions must not suffer
            self._note(each, "failed", repr(error))
        else:
            self._not_loaded.loaded(each)
            return model
        return None

    def _note(self, each: Wanted, reason: str, message: str) -> None:
        """Remember why a version is not loaded; say so in the log once."""
        if self._not_loaded.note(each, reason=reason, message=message, now_s=self._clock_s()):
            self._metrics.count("gnomon_models_refused_total", 1, reason)
            logger.error("model.refused", extra={"version": each.version, "reason": message})

    def _replace(self, live: Sequence[LoadedModel]) -> None:
        if [m.sha256 for m in live] != [m.sha256 for m in self.live]:
            logger.info("models.live", extra={"versions": [m.version for m in live]})
        self.live = live
        self._metrics.set("gnomon_models_live", len(live), "shadow")

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._poll_s)
            self._changed.clear()
            await self.refresh()
            self._watching.succeeded()

    async def _read_to_end(self, read: ReadIntents) -> None:
        """Fold the whole topic anew, as what was compacted away is not in it any more."""
        intents = Intents(self._model)
        async for record in read(follow=False):
            intents.apply(record)
        self._intents = intents

    async def _follow(self) -> None:
        read = self._read_intents
        if read is None:
            return
        await self._read_to_end(read)
        self._following.succeeded()
        self._changed.set()
        async for record in read(follow=True):
            if self._intents.apply(record):
                self._changed.set()


def _among(models: Iterable[LoadedModel], each: Wanted) -> LoadedModel | None:
    """Return the loaded model that is wanted; an intent without a SHA-256 means its number."""
    for model in models:
        if model.sha256 == each.sha256 or (each.sha256 is None and model.version == each.version):
            return model
    return None

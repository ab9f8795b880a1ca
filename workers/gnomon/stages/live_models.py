"""The model versions that predict right now, followed without a restart.

The registry's aliases are polled, and a hint (an intent on the control topic) makes the next look
immediate. A version that is refused is named once and left out; while the registry does not
answer, the versions already loaded go on.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from gnomon.errors import (
    ConfigurationError,
    ModelRefusedError,
    RegistryUnavailableError,
    TransientError,
)
from gnomon.models.predictor import LoadedModel
from gnomon.runtime.metrics import Metrics

logger = logging.getLogger(__name__)


class LiveVersion(Protocol):
    """A registered version that should predict."""

    @property
    def version(self) -> str:
        """As the registry numbers it."""
        ...


class ModelSource(Protocol):
    """Where versions come from; the registry is one. Its calls block."""

    def live(self) -> Sequence[LiveVersion]:
        """Versions that should predict; raises ``RegistryUnavailableError``."""
        ...

    def load(self, version: str) -> LoadedModel:
        """One version; raises ``ModelRefusedError`` or ``RegistryUnavailableError``."""
        ...


Hints = Callable[[], AsyncIterator[object]]
"""Yields something whenever it is worth looking at once; raises ``TransientError`` when lost."""


class LiveModels:
    """Keeps ``live`` as the registry says.

    Args:
        source: The registry.
        poll_s: Seconds between looks, and between tries to get hints.
        metrics: Where to count.
        hints: Say that something has changed, so that nobody waits for the next look.
    """

    def __init__(
        self, source: ModelSource, *, poll_s: float, metrics: Metrics, hints: Hints | None = None
    ) -> None:
        self.live: Sequence[LoadedModel] = ()
        self._source, self._poll_s, self._metrics = source, poll_s, metrics
        self._refused: dict[str, str] = {}
        self._hint = asyncio.Event()
        self._hints = hints
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look once, so that no task is predicted without what is live; then keep looking."""
        await self.refresh()
        self._tasks.append(asyncio.create_task(self._watch(), name="gnomon.live_models"))
        if self._hints is not None:
            listening = self._listen(self._hints)
            self._tasks.append(asyncio.create_task(listening, name="gnomon.control"))

    async def stop(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def refresh(self) -> None:
        """Load what is live and not loaded; drop what is no longer."""
        try:
            wanted = await asyncio.to_thread(self._source.live)
            loaded = {model.version: model for model in self.live}
            live = []
            for version in dict.fromkeys(v.version for v in wanted):
                model = loaded.get(version) or await self._load(version)
                if model is not None:
                    live.append(model)
        except RegistryUnavailableError as error:
            logger.warning("registry.unavailable", extra={"reason": str(error)})
            return
        if [m.version for m in live] != [m.version for m in self.live]:
            logger.info("models.live", extra={"versions": [m.version for m in live]})
        self.live = tuple(live)
        self._metrics.set("gnomon_models_live", len(live), "shadow")

    def status(self) -> Mapping[str, object]:
        """Live versions, and refused ones with the reason."""
        return {
            "models": [{"name": m.name, "version": m.version} for m in self.live],
            "refused": dict(self._refused),
        }

    async def _load(self, version: str) -> LoadedModel | None:
        if version in self._refused:
            return None
        try:
            return await asyncio.to_thread(self._source.load, version)
        except ModelRefusedError as error:
            self._refused[version] = str(error)
            self._metrics.count("gnomon_models_refused_total", 1, error.reason)
            logger.error("model.refused", extra={"version": version, "reason": str(error)})  # noqa: TRY400
            return None

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), self._poll_s)
            self._hint.clear()
            await self.refresh()

    async def _listen(self, hints: Hints) -> None:
        while True:
            try:
                async for _ in hints():
                    self._hint.set()
            except (TransientError, ConfigurationError) as error:
                logger.debug("control.unavailable", extra={"reason": str(error)})
            await asyncio.sleep(self._poll_s)

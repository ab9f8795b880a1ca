"""Live versions follow the registry, and nothing the registry does stops those already loaded."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from tests.support.polling import eventually

from gnomon.errors import ModelRefusedError, RegistryUnavailableError
from gnomon.models.predictor import LoadedModel
from gnomon.runtime.metrics import Metrics
from gnomon.stages.live_models import Hints, LiveModels

NEVER_S = 3600.0


@dataclass(frozen=True)
class Version:
    """All that is asked of a registered or a loaded one."""

    version: str
    name: str = "m"


@dataclass
class Registry:
    """A registry in memory that refuses some versions and can be away."""

    wanted: list[str]
    refused: set[str] = field(default_factory=set)
    away: bool = False
    loads: list[str] = field(default_factory=list)

    def live(self) -> Sequence[Version]:
        if self.away:
            raise RegistryUnavailableError("away")
        return [Version(version) for version in self.wanted]

    def load(self, version: str) -> LoadedModel:
        self.loads.append(version)
        if version in self.refused:
            raise ModelRefusedError("pickle", "not one of ours")
        return cast("LoadedModel", Version(version))


@asynccontextmanager
async def live_models(
    registry: Registry, *, poll_s: float = NEVER_S, hints: Hints | None = None
) -> AsyncIterator[LiveModels]:
    models = LiveModels(registry, poll_s=poll_s, metrics=Metrics(), hints=hints)
    await models.start()
    try:
        yield models
    finally:
        await models.stop()


def versions(models: LiveModels) -> list[str]:
    return [model.version for model in models.live]


async def test_what_is_live_is_loaded_before_anything_is_predicted() -> None:
    async with live_models(Registry(["3", "7"])) as models:
        assert versions(models) == ["3", "7"]


async def test_a_switch_is_followed_and_nothing_is_loaded_twice() -> None:
    registry = Registry(["1", "2"])
    async with live_models(registry, poll_s=0.01) as models:
        registry.wanted = ["2", "3"]

        await eventually(lambda: versions(models) == ["2", "3"], what="version 3 is live")

    assert registry.loads == ["1", "2", "3"]


async def test_a_hint_makes_it_look_at_once() -> None:
    registry, changed = Registry(["1"]), asyncio.Event()

    async def hints() -> AsyncIterator[object]:
        await changed.wait()
        changed.clear()
        yield "an intent"
        await asyncio.Event().wait()

    async with live_models(registry, hints=hints) as models:
        registry.wanted = ["2"]
        changed.set()

        await eventually(lambda: versions(models) == ["2"], what="version 2 is live")


async def test_a_refused_version_is_named_and_the_others_predict() -> None:
    registry = Registry(["1", "2"], refused={"1"})
    async with live_models(registry) as models:
        await models.refresh()

        assert versions(models) == ["2"]
        assert models.status()["refused"] == {"1": "pickle: not one of ours"}
        assert registry.loads == ["1", "2"]


async def test_loaded_versions_outlive_the_registry() -> None:
    registry = Registry(["1"])
    async with live_models(registry) as models:
        registry.away = True

        await models.refresh()

        assert versions(models) == ["1"]


async def test_a_registry_that_is_away_at_the_start_leaves_control_alone_until_it_is_back() -> None:
    registry = Registry(["1"], away=True)
    async with live_models(registry, poll_s=0.01) as models:
        assert versions(models) == []

        registry.away = False

        await eventually(lambda: versions(models) == ["1"], what="version 1 is live")

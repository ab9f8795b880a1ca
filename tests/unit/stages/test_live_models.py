"""Live versions follow the intents, else the registry; a failure of either stops no prediction."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import msgspec
from tests.support.kafka.topic_in_memory import Record, TopicInMemory
from tests.support.polling import eventually

from gnomon import codec
from gnomon.errors import ModelRefusedError, RegistryUnavailableError
from gnomon.events import ModelIntent
from gnomon.models.predictor import LoadedModel
from gnomon.records import SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.live_models import LiveModels, ReadIntents

NEVER_S = 3600.0


@dataclass(frozen=True)
class Version:
    """A registered version, and a loaded one."""

    version: str
    sha256: str
    aliases: tuple[str, ...] = ()
    name: str = "m"


@dataclass
class Registry:
    """A registry in memory: aliases by version; loading can fail by version, or altogether."""

    wanted: dict[str, str]
    failures: dict[str, Exception] = field(default_factory=dict)
    away: bool = False
    broken: Exception | None = None
    loads: list[str] = field(default_factory=list)

    def live(self) -> Sequence[Version]:
        if self.broken is not None:
            raise self.broken
        if self.away:
            raise RegistryUnavailableError("away")
        return [
            Version(version, f"sha-{version}", aliases=(alias,))
            for alias, version in self.wanted.items()
        ]

    def load(self, version: str, *, sha256: str | None = None) -> LoadedModel:
        self.loads.append(version)
        if self.away:
            raise RegistryUnavailableError("away")
        if version in self.failures:
            raise self.failures[version]
        return cast("LoadedModel", Version(version, sha256 or f"sha-{version}"))


class Control(TopicInMemory):
    """A control topic in memory."""

    def put(self, alias: str, version: str | None, *, model: str = "m") -> None:
        value = None
        if version is not None:
            intent = ModelIntent(
                model=model,
                alias=alias,
                version=version,
                sha256=f"sha-{version}",
                at_ms=1,
                author="ada",
                action="promote",
            )
            value = codec.encode(intent)
        self.write(f"{model}/{alias}".encode(), value)


@asynccontextmanager
async def live_models(
    registry: Registry,
    *,
    poll_s: float = NEVER_S,
    read_intents: ReadIntents | None = None,
    clock_s: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[LiveModels]:
    models = LiveModels(
        registry,
        model="m",
        poll_s=poll_s,
        metrics=Metrics(),
        read_intents=read_intents,
        clock_s=clock_s,
    )
    await models.start()
    try:
        yield models
    finally:
        await models.stop()


def versions(models: LiveModels) -> list[str]:
    return [model.version for model in models.live]


async def test_what_is_live_is_loaded_before_anything_is_predicted() -> None:
    async with live_models(Registry({"champion": "3", "challenger": "7"})) as models:
        assert versions(models) == ["3", "7"]


async def test_a_switch_in_the_registry_is_followed_and_nothing_is_loaded_twice() -> None:
    registry = Registry({"champion": "1", "challenger": "2"})
    async with live_models(registry, poll_s=0.01) as models:
        registry.wanted = {"champion": "2", "challenger": "3"}

        await eventually(lambda: versions(models) == ["2", "3"], what="version 3 is live")

    assert registry.loads == ["1", "2", "3"]


async def test_an_intent_is_followed_at_once_and_against_the_registry() -> None:
    registry, control = Registry({"champion": "1"}), Control()
    async with live_models(registry, read_intents=control.read) as models:
        assert versions(models) == ["1"]

        control.put("champion", "2")

        await eventually(lambda: versions(models) == ["2"], what="version 2 is live")


async def test_intents_count_from_the_first_prediction_and_the_last_of_an_alias_wins() -> None:
    control = Control()
    for version in ("1", "2", "3"):
        control.put("champion", version)
    control.put("challenger-b", "4")
    control.put("champion", "9", model="another")
    control.put("previous", "2")
    async with live_models(Registry({}), read_intents=control.read) as models:
        assert versions(models) == ["3", "4"]


async def test_a_tombstone_takes_an_alias_away() -> None:
    control = Control()
    control.put("champion", "1")
    control.put("challenger", "2")
    async with live_models(Registry({}), read_intents=control.read) as models:
        control.put("challenger", None)

        await eventually(lambda: versions(models) == ["1"], what="version 2 has gone")


async def test_records_that_are_no_intents_are_passed_over() -> None:
    control = Control()
    control.records = [Record(0, b"no intent", key=b"m/champion"), Record(1, None, key=b"")]
    control.put("challenger", "5")
    async with live_models(Registry({}), read_intents=control.read) as models:
        assert versions(models) == ["5"]


async def test_a_refused_version_is_named_and_the_others_predict() -> None:
    refusal = ModelRefusedError("pickle", "not one of ours")
    registry = Registry({"champion": "1", "challenger": "2"}, failures={"1": refusal})
    async with live_models(registry) as models:
        await models.refresh()

        assert versions(models) == ["2"]
        assert models.status()["refused"] == {"1": "pickle: not one of ours"}
        assert registry.loads == ["1", "2"]
        assert models.degraded() == ["version 1 is refused: pickle: not one of ours"]
        assert [msgspec.to_builtins(each) for each in models.absent()] == [
            {
                "model": "m",
                "version": "1",
                "sha256": "sha-1",
                "state": "refused",
                "reason": "pickle: not one of ours",
            }
        ]


async def test_a_passing_failure_is_tried_again_while_the_last_version_predicts() -> None:
    registry = Registry({"champion": "1"})
    async with live_models(registry, poll_s=0.01) as models:
        registry.failures["2"] = ModelRefusedError("files_missing", "storage is away")
        registry.wanted = {"champion": "2"}
        await eventually(lambda: registry.loads.count("2") > 1, what="it is tried again")

        assert versions(models) == ["1"]
        assert models.status()["waiting"] == {"2": "files_missing: storage is away"}
        assert [(each.version, each.state) for each in models.absent()] == [("2", "waiting")]

        registry.failures.clear()
        await eventually(lambda: versions(models) == ["2"], what="version 2 is live")
        assert models.status()["waiting"] == {}


async def test_a_version_wanted_again_after_its_refusal_is_tried_anew() -> None:
    refusal = ModelRefusedError("sklearn_version", "made with another")
    registry = Registry({"champion": "1"}, failures={"1": refusal})
    async with live_models(registry) as models:
        registry.wanted = {}
        await models.refresh()
        registry.failures.clear()
        registry.wanted = {"champion": "1"}
        await models.refresh()

        assert versions(models) == ["1"]


async def test_loaded_versions_outlive_the_registry_and_readiness_says_so() -> None:
    registry = Registry({"champion": "1"})
    async with live_models(registry) as models:
        registry.away = True

        await models.refresh()

        assert versions(models) == ["1"]
        assert models.degraded() == ["registry: away"]


async def test_a_registry_that_is_away_at_the_start_leaves_baselines_alone_until_it_is_back() -> (
    None
):
    registry = Registry({"champion": "1"}, away=True)
    async with live_models(registry, poll_s=0.01) as models:
        assert versions(models) == []

        registry.away = False

        await eventually(lambda: versions(models) == ["1"], what="version 1 is live")
        assert models.degraded() == []


async def test_a_control_topic_that_was_away_is_followed_when_it_is_back() -> None:
    registry, control = Registry({"champion": "1"}), Control()
    control.away = True
    control.put("champion", "2")
    async with live_models(registry, poll_s=0.01, read_intents=control.read) as models:
        assert versions(models) == ["1"]

        control.away = False

        await eventually(lambda: versions(models) == ["2"], what="version 2 is live")


async def test_an_intent_without_sha256_means_the_number_and_is_loaded_once() -> None:
    control = Control()
    intent = ModelIntent(
        model="m", alias="champion", version="3", at_ms=1, author="ada", action="promote"
    )
    control.records = [Record(0, codec.encode(intent), key=b"m/champion")]
    registry = Registry({})
    async with live_models(registry, read_intents=control.read) as models:
        await models.refresh()
        await models.refresh()

        assert versions(models) == ["3"]
        assert registry.loads == ["3"]


async def test_an_error_that_nobody_expected_is_named_and_ends_no_following() -> None:
    registry = Registry({"champion": "1"})
    async with live_models(registry, poll_s=0.01) as models:
        registry.broken = AttributeError("a fault of the registry's library")
        await eventually(lambda: bool(models.degraded()), what="readiness says so")

        assert models.degraded() == [
            'following the registry: AttributeError("a fault of the registry\'s library")'
        ]
        assert versions(models) == ["1"]

        registry.broken, registry.wanted = None, {"champion": "2"}
        await eventually(lambda: versions(models) == ["2"], what="the promotion is followed")
        await eventually(lambda: not models.degraded(), what="readiness is back")


async def test_a_control_topic_whose_reader_breaks_is_followed_again() -> None:
    registry, control = Registry({"champion": "1"}), Control()
    broken = False

    async def read(*, follow: bool) -> AsyncIterator[SourceRecord]:
        if broken:
            raise ValueError("a fault of the reader")
        async for record in control.read(follow=False):
            yield record

    async with live_models(registry, poll_s=0.01, read_intents=read) as models:
        broken = True
        sentence = "following the control topic: ValueError('a fault of the reader')"
        await eventually(lambda: sentence in models.degraded(), what="readiness says so")

        broken = False
        control.put("champion", "2")
        await eventually(lambda: versions(models) == ["2"], what="the promotion is followed")


async def test_a_version_whose_loading_breaks_does_not_hold_up_the_others() -> None:
    registry = Registry(
        {"champion": "1", "challenger": "2"}, failures={"1": TypeError("a fault of a library")}
    )
    async with live_models(registry) as models:
        assert versions(models) == ["2"]
        assert models.degraded() == ["version 1 is waited for: TypeError('a fault of a library')"]

        registry.failures.clear()
        await models.refresh()
        assert versions(models) == ["1", "2"]


async def test_a_refused_version_whose_files_are_put_right_is_live_without_a_promotion() -> None:
    now_s = 0.0
    registry = Registry(
        {"champion": "1"}, failures={"1": ModelRefusedError("sha256_mismatch", "half a file")}
    )
    async with live_models(registry, clock_s=lambda: now_s) as models:
        tried_s = []
        for second in range(0, 3600, 10):
            now_s = float(second)
            before = len(registry.loads)
            await models.refresh()
            if len(registry.loads) > before:
                tried_s.append(second)
        assert tried_s == [60, 180, 420, 900, 1860]
        assert models.status()["refused"] == {"1": "sha256_mismatch: half a file"}

        registry.failures.clear()
        now_s = 4000.0
        await models.refresh()

        assert versions(models) == ["1"]
        assert models.degraded() == []

"""Aliases move only when the version may be used and the intent is written, in that order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from gnomon.errors import BrokerUnavailableError, ConfigurationError, ModelRefusedError
from gnomon.events import ModelIntent
from gnomon.models.predictor import LoadedModel
from gnomon.models.registry import Registry
from gnomon.operations.models.switching import ModelSwitch, Moved

NOW_MS = 1_767_262_500_000


@dataclass(frozen=True)
class Loaded:
    """What is asked of a loaded version."""

    sha256: str


@dataclass
class MemoryRegistry:
    """Versions 1 to 9 with aliases; those of ``refused`` may not be used."""

    name: str = "m"
    pointed: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    renumbered: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def load(self, version: str, *, sha256: str | None = None) -> LoadedModel:
        if version in self.refused:
            raise ModelRefusedError("pickle", version)
        return cast("LoadedModel", Loaded(sha256 or f"sha-{version}"))

    def aliases(self) -> Mapping[str, str]:
        return dict(self.pointed)

    def version_of(self, version: str, sha256: str | None) -> str:
        number = self.renumbered.get(sha256 or "", version)
        if number in self.deleted:
            raise ModelRefusedError("unknown_version", number)
        return number

    def point(self, alias: str, version: str) -> None:
        if version in self.deleted:
            raise ModelRefusedError("unknown_version", version)
        self.pointed[alias] = version

    def remove_alias(self, alias: str) -> None:
        self.pointed.pop(alias, None)


@dataclass
class MemoryLog:
    """Intents in a dictionary; ``away`` refuses to be written."""

    intents: dict[str, ModelIntent] = field(default_factory=dict)
    away: bool = False

    def read(self) -> Mapping[str, ModelIntent]:
        return dict(self.intents)

    def write(self, changes: Mapping[str, ModelIntent | None]) -> None:
        if self.away:
            raise BrokerUnavailableError("away")
        for alias, intent in changes.items():
            if intent is None:
                self.intents.pop(alias, None)
            else:
                self.intents[alias] = intent

    def versions(self) -> dict[str, tuple[str, str | None]]:
        return {alias: (i.version, i.sha256) for alias, i in self.intents.items()}


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def switch(registry: MemoryRegistry, log: MemoryLog | None) -> ModelSwitch:
    return ModelSwitch(cast("Registry", registry), log, author="ada", now_ms=lambda: NOW_MS)


def test_a_promotion_is_told_with_its_sha256_and_applied(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moved = switch(registry, log).promote("3")

    assert moved == Moved(alias="champion", version="3", before=None, intent_written=True)
    assert log.intents == {
        "champion": ModelIntent(
            model="m",
            alias="champion",
            version="3",
            at_ms=NOW_MS,
            author="ada",
            action="promote",
            sha256="sha-3",
        )
    }
    assert registry.pointed == {"champion": "3"}


def test_the_last_champion_becomes_the_previous_one_and_comes_back(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    moving.promote("4")  # again, as after a crash
    assert log.versions() == {"champion": ("4", "sha-4"), "previous": ("3", "sha-3")}
    assert registry.pointed == {"champion": "4", "previous": "3"}

    assert moving.rollback() == Moved(
        alias="champion", version="3", before="4", intent_written=True
    )

    assert log.versions() == {"champion": ("3", "sha-3")}
    assert registry.pointed == {"champion": "3"}
    with pytest.raises(ConfigurationError, match="no previous champion"):
        moving.rollback()


@pytest.mark.parametrize("told", [True, False])
def test_a_version_that_may_not_be_used_moves_nothing(
    registry: MemoryRegistry, log: MemoryLog, *, told: bool
) -> None:
    moving = switch(registry, log if told else None)
    moving.promote("3")
    moving.promote("4")
    before = dict(log.intents), dict(registry.pointed)
    registry.refused = {"3", "5"}

    with pytest.raises(ModelRefusedError):
        moving.promote("5")
    with pytest.raises(ModelRefusedError):
        moving.rollback()

    assert (log.intents, registry.pointed) == before


def test_without_a_broker_nothing_moves(registry: MemoryRegistry, log: MemoryLog) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    log.away = True

    with pytest.raises(BrokerUnavailableError):
        moving.promote("5")
    with pytest.raises(BrokerUnavailableError):
        moving.rollback()

    assert registry.pointed == {"champion": "4", "previous": "3"}


def test_a_crash_between_intent_and_registry_is_mended(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    moving.promote("6", alias="challenger-b")
    intended = dict(registry.pointed)
    registry.pointed = {"champion": "1", "challenger": "2"}  # the registry of long ago

    moved = moving.sync()

    assert registry.pointed == intended | {"challenger": "2"}
    assert {m.alias: (m.before, m.version) for m in moved} == {
        "champion": ("1", "4"),
        "previous": (None, "3"),
        "challenger-b": (None, "6"),
    }
    assert moving.sync() == []


def test_a_rollback_that_the_registry_missed_is_mended(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    missed = dict(registry.pointed)
    moving.rollback()
    registry.pointed = missed

    with pytest.raises(ConfigurationError, match="no previous champion"):
        moving.rollback()
    moving.sync()

    assert registry.pointed == {"champion": "3"}


def test_a_registry_that_was_made_again_is_pointed_by_sha256(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    switch(registry, log).promote("3")
    registry.renumbered = {"sha-3": "1"}
    registry.pointed = {}

    switch(registry, log).sync()

    assert registry.pointed == {"champion": "1"}


def test_a_champion_that_was_deleted_is_replaced_and_is_none_to_return_to(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    registry.deleted = {"3"}

    moving.promote("4")

    assert registry.pointed["champion"] == log.intents["champion"].version == "4"
    assert "previous" not in registry.pointed
    assert "previous" not in log.intents
    with pytest.raises(ConfigurationError, match="no previous champion"):
        moving.rollback()


def test_a_previous_version_with_a_new_number_is_pointed_at_by_that(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    registry.deleted, registry.renumbered = {"3"}, {"sha-3": "7"}

    moving.rollback()

    assert registry.pointed["champion"] == log.intents["champion"].version == "7"
    assert log.intents["champion"].sha256 == "sha-3"


def test_a_rollback_to_a_version_that_vanishes_meanwhile_publishes_nothing(
    registry: MemoryRegistry, log: MemoryLog
) -> None:
    moving = switch(registry, log)
    moving.promote("3")
    moving.promote("4")
    before = dict(log.intents)
    registry.deleted = {"3"}  # it could still be loaded a moment ago

    with pytest.raises(ModelRefusedError, match="unknown_version"):
        moving.rollback()

    assert log.intents == before
    assert registry.pointed == {"champion": "4", "previous": "3"}

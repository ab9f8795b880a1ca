"""The vault stage seals each tenant with keys of its own, and goes on through outages and shredding."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from tests.integration.keys.conftest import EACH, ON_BOTH, SCOPES, Vault, all_open
from tests.support.decisions import a_decision
from tests.support.vaults import started
from tests.unit.comparison.build import Record

from gnomon import codec
from gnomon.errors import KeyDestroyedError, KeyProviderUnavailableError
from gnomon.settings import Settings
from gnomon.store.figures.tables import TASKS
from gnomon.vault.providers.transit import VaultTransit

Command = Callable[..., int]
ACME = "tenant:acme"


def record(number: int, tenant: str | None) -> Record:
    return Record("comparisons", codec.encode(a_decision(number, tenant=tenant)), offset=number)


def tasks_by_scope(vault: Vault) -> dict[str, int]:
    found: dict[str, int] = {}
    with closing(vault.open()) as store, store.database.begin() as connection:
        for row in connection.execute(TASKS.select()):
            found[row.scope] = found.get(row.scope, 0) + 1
    return found


@ON_BOTH
async def test_numbers_in_clear_go_with_the_scope_and_a_running_stage_goes_on(
    vault: Vault, command: Command
) -> None:
    async with started(vault.settings) as stage:
        await stage.apply(None, [record(50, "acme"), record(51, "birch"), record(52, None)])
        assert tasks_by_scope(vault) == dict.fromkeys((ACME, "tenant:birch", "default"), 1)
        assert vault.readable() == {scope: ["opens"] * (EACH + 1) for scope in SCOPES}

        # In a thread: the command has an event loop of its own where it needs one.
        assert await asyncio.to_thread(command, "shred", ACME, "--yes") == 0
        assert tasks_by_scope(vault) == dict.fromkeys(("tenant:birch", "default"), 1)

        batch = [record(60, "acme"), record(61, "birch")]
        with pytest.raises(KeyDestroyedError):
            await stage.apply(None, batch)
        outputs = await stage.apply(None, batch)  # as the partition's worker does after a pause
        assert len(outputs.by_topic["decisions"]) == 2
        assert outputs.dead == []
    assert vault.readable() == {
        "default": ["opens"] * (EACH + 1),
        ACME: ["shredded"] * (EACH + 1) + ["opens"],
        "tenant:birch": ["opens"] * (EACH + 2),
    }
    assert tasks_by_scope(vault) == {ACME: 1, "tenant:birch": 2, "default": 1}


async def test_by_agent(vault: Vault) -> None:
    async with started(replace(vault.settings, scope_by="agent")) as stage:
        await stage.apply(None, [record(50, "acme")])
    assert vault.readable() == all_open(*SCOPES) | {"agent:agent-7": ["opens"]}


async def test_while_the_provider_is_away_nothing_is_stored_and_nothing_in_clear(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage raises what the runtime retries; no row and no plaintext is left behind."""
    async with started(vault.settings) as stage:
        assert stage._keyring is not None

        def away(*given: object) -> object:
            raise KeyProviderUnavailableError("away")

        monkeypatch.setattr(type(stage._keyring.provider), "wrap", away)
        marker = "MARKER-" + "7c1f" * 4
        plain = codec.encode(a_decision(70, note=marker, tenant="cedar"))
        for _ in range(2):
            with pytest.raises(KeyProviderUnavailableError):
                await stage.apply(None, [Record("comparisons", plain)])
        outputs = await stage.apply(None, [record(71, "acme")])
        assert len(outputs.by_topic["decisions"]) == 1, "a scope whose key is known goes on"
    monkeypatch.undo()
    for path in vault.folder.rglob("*"):
        if path.is_file():
            assert marker.encode() not in path.read_bytes()
    async with started(vault.settings) as stage:
        await stage.apply(None, [Record("comparisons", plain)])
    assert vault.readable()["tenant:cedar"] == ["opens"]


async def test_a_provider_that_is_away_at_the_start_holds_the_stage_up(vault: Vault) -> None:
    away = replace(
        vault.settings,
        key_provider="vault+http://127.0.0.1:1/transit/k",
        vault_token="t",  # noqa: S106  of no server
    )
    assert VaultTransit.at(away.key_provider, away).name == away.key_provider
    create = replace(
        away, store_url=f"sqlite:///{vault.folder}/other.db", scope_by="none", scope_keys_url=""
    )
    with pytest.raises(KeyProviderUnavailableError):
        async with started(create):
            pass


@ON_BOTH
async def test_keys_are_changed_while_decisions_are_stored(vault: Vault, command: Command) -> None:
    """Each decision is stored once and opens, whatever was rotated and rewrapped meanwhile."""
    tenants = ("acme", "birch", "cedar", None)
    batches = [
        [record(1_000 + 20 * batch + each, tenants[each % 4]) for each in range(20)]
        for batch in range(30)
    ]
    published: list[str] = []

    async def store(settings: Settings, partition: int) -> None:
        async with started(settings) as stage:
            while batches:
                batch = [replace(each, partition=partition) for each in batches.pop()]
                outputs = await stage.apply(None, batch)
                assert outputs.dead == []
                published.extend((key or b"").decode() for key, _ in outputs.by_topic["decisions"])

    async def change() -> None:
        for words in (
            ["rotate"],
            ["rotate", "--scope", ACME],
            ["rewrap"],
            ["rotate", "--scope", "default"],
            ["reencrypt", ACME],
            ["rewrap"],
        ):
            assert await asyncio.to_thread(command, *words) == 0

    await asyncio.gather(store(vault.settings, 1), store(vault.settings, 2), change())
    assert len(published) == len(set(published)) == 600
    found = vault.readable()
    assert sum(map(len, found.values())) == 600 + 3 * EACH
    assert {reason for reasons in found.values() for reason in reasons} == {"opens"}
    assert command("check", "--all") == 0

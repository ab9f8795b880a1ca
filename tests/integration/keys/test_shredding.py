"""Shredding: one scope is unreadable for good, from store, topic and backup, and everything else goes on."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest
from tests.integration.keys.conftest import EACH, ON_BOTH, SCOPES, Vault, all_open, copied
from tests.support.decisions import a_decision

from gnomon import codec
from gnomon.errors import KeyDestroyedError, UnreadableError
from gnomon.events import SealedDecision
from gnomon.operations.keys.vault_keys import vault_keys
from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.store import open_ring
from gnomon.vault import KeyRing, check_key, open_decision, seal_decision

Command = Callable[..., int]
Said = pytest.CaptureFixture[str]
ACME = "tenant:acme"
GONE = all_open(*SCOPES) | {ACME: ["shredded"] * EACH}


def topic_of(vault: Vault) -> list[bytes]:
    """The decisions as the topic has them."""
    with closing(vault.open()) as store:
        return [codec.encode(row) for row in store.iter_sealed()]


@ON_BOTH
def test_nothing_of_the_scope_opens_and_everything_else_does(
    vault: Vault, command: Command, capsys: Said
) -> None:
    topic = topic_of(vault)
    assert command("shred", ACME, "--reason", "contract 4711 ended", "--yes") == 0
    assert f"{EACH} decisions can never be read again" in capsys.readouterr().out
    assert vault.readable() == GONE

    with closing(vault.open()) as store:
        check_key(open_ring(vault.settings, store), store.canary)
        ring = open_ring(vault.settings, store)
        for value in topic:
            sealed = msgspec.json.decode(value, type=SealedDecision)
            if sealed.scope == ACME:
                with pytest.raises(UnreadableError, match="shredded"):
                    open_decision(ring, sealed)
            else:
                open_decision(ring, sealed)


@ON_BOTH
def test_who_has_the_keys_in_memory_loses_them_within_a_minute(
    vault: Vault, command: Command
) -> None:
    with closing(vault.open()) as store:
        ring = open_ring(vault.settings, store)
        rows = list(store.iter_sealed())
        sealing = {row.scope: seal_decision(ring, a_decision(90), scope=row.scope) for row in rows}
        for row in rows:
            open_decision(ring, row)
        assert command("shred", ACME, "--yes") == 0

        began_ms = ring._clock_ms()
        ring._clock_ms = lambda: began_ms + 60_000
        refused = {row.scope for row in rows if reason_of(ring, row) == "shredded"}
        assert refused == {ACME}
        assert {row.scope for row in rows if reason_of(ring, row) == "opens"} == {*SCOPES} - {ACME}
        for scope, before in sealing.items():
            after = seal_decision(ring, a_decision(91), scope=scope)
            assert (after.key_id == before.key_id) is (scope != ACME)
            assert open_decision(ring, after) == a_decision(91)


def reason_of(ring: KeyRing, row: SealedDecision) -> str:
    try:
        open_decision(ring, row)
    except UnreadableError as error:
        return error.reason
    return "opens"


def test_a_backup_from_before_stays_unreadable(vault: Vault, command: Command) -> None:
    """The store is restored on another machine, with the keys as they are now."""
    with closing(vault.open()) as store, store._database.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
    backup = copied(vault.settings.store_url, vault.folder / "backup" / "store.db")
    assert command("shred", ACME, "--yes") == 0
    assert vault.readable(vault.with_store(backup)) == GONE


def test_store_and_key_restored_elsewhere_open(vault: Vault) -> None:
    elsewhere = vault.folder / "elsewhere"
    moved = vault.with_store(
        copied(vault.settings.store_url, elsewhere / "store.db"),
        scope_keys_url=copied(vault.settings.scope_keys_url, elsewhere / "scopes.db"),
        data_dir=str(elsewhere),
    )
    for name in ("data", "scopes.db"):
        (vault.folder / name).rename(vault.folder / f"lost-{name}")
    assert vault.readable(moved) == all_open(*SCOPES)


@ON_BOTH
def test_the_wrapped_keys_are_in_no_file_of_the_databases(vault: Vault, command: Command) -> None:
    """SQLite leaves deleted bytes in its file and its log, PostgreSQL old versions in the table."""
    with vault_keys(vault.settings) as keys:  # stays connected, so that SQLite keeps its log
        wrapped = [row.wrapped for row in keys.store.keys.all(ACME)]
        wrapped += [row.wrapped for row in keys.tables[0].all(ACME)]
        assert len(wrapped) == 2
        assert command("shred", ACME, "--yes") == 0
        for url in (vault.settings.store_url, vault.settings.scope_keys_url):
            for content in _contents(url):
                assert not any(each in content for each in wrapped)


def _contents(url: str) -> list[bytes]:
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return [each.read_bytes() for each in path.parent.glob(f"{path.name}*")]
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CHECKPOINT")
        folder = server.execute("SHOW data_directory").fetchone()
        names = ("gnomon_keys", "gnomon_scope_keys")
        files = [server.execute("SELECT pg_relation_filepath(to_regclass(%s))", [n]) for n in names]
        found = [row[0] for each in files if (row := each.fetchone()) and row[0]]
    assert folder is not None
    return [(Path(str(folder[0])) / str(name)).read_bytes() for name in found]


@ON_BOTH
def test_a_worker_that_runs_meanwhile_loses_no_decision(vault: Vault, command: Command) -> None:
    """It has sealed with a key that is destroyed before the rows are stored: they are sealed again."""
    with closing(vault.open()) as store:
        ring = open_ring(vault.settings, store)

        def sealed(number: int) -> SealedDecision:
            return seal_decision(ring, a_decision(number), scope=ACME)

        row = sealed(50)
        store.upsert([row], keys=ring.rows_of([row.key_id]))
        row = sealed(51)
        assert command("shred", ACME, "--yes") == 0
        with pytest.raises(KeyDestroyedError) as refused:
            store.upsert([row], keys=ring.rows_of([row.key_id]))
        ring.forget(refused.value.key_ids)
        again = sealed(51)
        store.upsert([again], keys=ring.rows_of([again.key_id]))
        assert store.count() == 3 * EACH + 2
    assert vault.readable()[ACME] == ["shredded"] * (EACH + 1) + ["opens"]


@pytest.mark.parametrize("place", ["data keys", "scope keys"])
def test_either_mark_alone_keeps_records_from_being_stored(vault: Vault, place: str) -> None:
    """A worker's batch may fall between any two steps of a shredding."""
    with vault_keys(vault.settings) as keys:
        row = seal_decision(keys.ring, a_decision(50), scope=ACME)
        keys.store.upsert([row], keys=keys.ring.rows_of([row.key_id]))
        if place == "data keys":
            keys.store.keys.shred(ACME)
        else:
            keys.tables[0].shred(ACME)
        with pytest.raises(KeyDestroyedError):
            keys.store.upsert([row], keys=keys.ring.rows_of([row.key_id]))


def test_training_passes_over_it_and_counts_it(vault: Vault, command: Command) -> None:
    assert command("shred", ACME, "--yes") == 0
    reader = VaultReader(vault.settings, command="gnomon train")
    try:
        assert len(list(reader.decisions())) == 2 * EACH
        assert reader.unreadable == {"shredded": EACH}
        event = reader.store.audit.recent(1)[0]
        assert (event.command, event.records, event.unreadable) == ("gnomon train", 2 * EACH, EACH)
    finally:
        reader.close()


def test_the_certificate_is_in_the_audit(vault: Vault, command: Command, capsys: Said) -> None:
    assert command("shred", ACME, "--reason", "contract 4711 ended", "--yes") == 0
    with closing(vault.open()) as store:
        event = store.audit.recent(1)[0]
    assert (event.action, event.scope, event.records) == ("shredded", ACME, EACH)
    assert event.reason == "contract 4711 ended"
    assert "@" in event.actor
    assert event.ended_at_ms is not None
    assert event.detail == ""
    capsys.readouterr()
    assert command("audit") == 0
    assert "contract 4711 ended" in capsys.readouterr().out
    assert command("shred", ACME, "--yes") == 2
    assert "destroyed already" in capsys.readouterr().err


def test_it_is_not_done_by_mistake(vault: Vault, command: Command, capsys: Said) -> None:
    assert command("shred", ACME) == 2
    assert "--yes" in capsys.readouterr().err
    assert command("shred", "tenant:acne", "--yes") == 2
    assert "no scope 'tenant:acne'" in capsys.readouterr().err
    assert command("shred", "canary", "--yes") == 2
    assert vault.readable() == all_open(*SCOPES)


def test_the_default_scope_of_a_store_without_others_says_what_backups_still_hold(
    vault: Vault, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    monkeypatch.setenv("GNOMON_SCOPE_BY", "none")
    monkeypatch.setenv("GNOMON_SCOPE_KEYS_URL", "")
    alone = replace(vault.settings, scope_by="none", scope_keys_url="")
    with closing(vault.open()) as store:
        store.canary.replace(_canary(alone, vault))
    Vault(alone, vault.folder).seal([70], "own")
    assert command("shred", "own", "--yes") == 0
    assert "backups of the store from before can still be opened" in capsys.readouterr().err


def _canary(settings: object, vault: Vault) -> bytes:
    from gnomon.vault.canary import new_canary  # noqa: PLC0415

    with closing(vault.open()) as store:
        return new_canary(open_ring(settings, store))  # type: ignore[arg-type]

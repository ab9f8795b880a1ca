"""Rotating, rewrapping and re-encrypting: every decision stays readable, before, between and after."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.integration.keys.conftest import EACH, ON_BOTH, SCOPES, Vault, all_open
from tests.support.decisions import a_decision
from tests.support.servers.postgres import new_database
from tests.support.stores.earlier import KEY, make_store_of

from gnomon.errors import KeyUnavailableError
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.store.database import Database
from gnomon.store.scope_keys import ScopeKeyTable
from gnomon.vault import check_key, create_key_file, open_decision, seal_decision
from gnomon.vault.providers.local import from_file, from_text
from gnomon.vault.scopes import ScopeKeys

ACME = "tenant:acme"
Command = Callable[..., int]
Said = pytest.CaptureFixture[str]


def sealed_bytes(vault: Vault) -> dict[str, bytes]:
    with closing(vault.open()) as store:
        return {row.decision_id: row.sealed for row in store.iter_sealed()}


def test_a_fresh_process_reads_what_others_sealed(vault: Vault) -> None:
    assert vault.readable() == all_open(*SCOPES)


def test_every_scope_has_a_key_of_its_own_and_the_canary_too(
    vault: Vault, command: Command, capsys: Said
) -> None:
    assert command("list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(line[0], line[2], line[-1]) for line in lines] == [
        ("canary", "active", "0"),
        *((scope, "active", str(EACH)) for scope in SCOPES),
    ]


@ON_BOTH
def test_the_key_encryption_key_is_replaced_under_running_workers(
    vault: Vault, command: Command
) -> None:
    """The file has both keys between ``rotate`` and ``rewrap``, and a worker reads it again by itself."""
    path = Path(vault.settings.key_file)
    before, old = sealed_bytes(vault), from_file(path)
    with closing(vault.open()) as store:
        running = open_ring(vault.settings, store)
        kid, _ = running.seal(b"x", record_id="d", schema="s", scope="tenant:acme")

        assert command("rotate") == 0
        assert vault.readable() == all_open(*SCOPES)
        assert command("rewrap") == 0
        assert vault.readable() == all_open(*SCOPES)

        newest = path.read_text().splitlines()[0]
        path.write_text(newest + "\n")
        assert vault.readable() == all_open(*SCOPES)
        running.forget([kid])
        again = seal_decision(running, a_decision(99), scope="tenant:new")
        store.upsert([again], keys=running.rows_of([again.key_id]))
        assert open_decision(open_ring(vault.settings, store), again) == a_decision(99)
    assert from_file(path).id != old.id
    assert before.items() <= sealed_bytes(vault).items(), "no record was touched"


def test_what_is_not_rewrapped_is_not_forgotten(vault: Vault, command: Command) -> None:
    """A key file without the old key opens nothing, and says so."""
    path = Path(vault.settings.key_file)
    assert command("rotate") == 0
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with (
        closing(vault.open()) as store,
        pytest.raises(KeyUnavailableError, match="does not open this store"),
    ):
        check_key(open_ring(vault.settings, store), store.canary)


def test_a_scope_key_is_rotated_and_its_data_keys_rewrapped(
    vault: Vault, command: Command, capsys: Said
) -> None:
    before = sealed_bytes(vault)
    assert command("rotate", "--scope", "tenant:acme") == 0
    vault.seal(range(20, 22), "tenant:acme")
    assert command("rewrap") == 0
    capsys.readouterr()
    assert command("list") == 0
    acme = [line.split() for line in capsys.readouterr().out.splitlines() if "tenant:acme" in line]
    assert [(line[2], line[-1]) for line in acme] == [("retired", str(EACH)), ("active", "2")]
    assert vault.readable()["tenant:acme"] == ["opens"] * (EACH + 2)
    assert before.items() <= sealed_bytes(vault).items()
    assert command("check", "--all") == 0


@ON_BOTH
def test_reencrypting_touches_the_one_scope_and_nothing_else(
    vault: Vault, command: Command, capsys: Said
) -> None:
    before = sealed_bytes(vault)
    assert command("rotate", "--scope", "tenant:acme") == 0
    assert command("rewrap") == 0  # must not hide which records are old
    vault.seal([20], "tenant:acme")
    assert command("reencrypt", "tenant:acme", "--reason", "it was in a log") == 0
    assert f"sealed {EACH} decisions" in capsys.readouterr().out
    assert command("reencrypt", "tenant:acme") == 0
    assert "sealed 0 decisions" in capsys.readouterr().out

    changed = {key for key, sealed in sealed_bytes(vault).items() if before.get(key) != sealed}
    assert changed == {f"d-{number:05}" for number in (*range(EACH, 2 * EACH), 20)}
    assert vault.readable() == all_open(*SCOPES) | {"tenant:acme": ["opens"] * (EACH + 1)}


def test_a_store_of_the_last_release_is_moved_to_scope_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """Its data keys are wrapped by the key itself: they open at once, and after a rewrap."""
    from gnomon.cli import main  # noqa: PLC0415

    url = f"sqlite:///{tmp_path}/store.db"
    make_store_of("0.1.0", url)
    store = DecisionStore(url)
    store.create()
    settings = Settings(store_url=url, key=KEY)
    before = [row.sealed for row in store.iter_sealed()]

    def opened() -> list[object]:
        ring = open_ring(settings, store)
        check_key(ring, store.canary)
        return [open_decision(ring, row) for row in store.iter_sealed()]

    assert opened() == [a_decision(number) for number in range(3)]
    monkeypatch.setenv("GNOMON_STORE_URL", url)
    monkeypatch.setenv("GNOMON_KEY", KEY)
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["default", "-", "active"]
    assert main(["keys", "rewrap"]) == 0
    assert opened() == [a_decision(number) for number in range(3)]
    assert {row.kek_id for row in store.keys.all()} == {row.id for row in store.keys.scopes.all()}
    assert [row.sealed for row in store.iter_sealed()] == before
    store.close()


def test_a_provider_is_replaced_by_another(vault: Vault, command: Command) -> None:
    create_key_file(vault.folder / "next.key")
    both = vault.with_store(
        vault.settings.store_url,
        key_provider=f"file://{vault.folder}/next.key",
        key_retired=f"file://{vault.settings.key_file}",
    )
    assert vault.readable(both) == all_open(*SCOPES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNOMON_KEY_PROVIDER", both.key_provider)
        patch.setenv("GNOMON_KEY_RETIRED", both.key_retired)
        assert command("rewrap") == 0
    alone = vault.with_store(vault.settings.store_url, key_provider=both.key_provider)
    assert vault.readable(alone) == all_open(*SCOPES)


def test_a_key_that_is_no_file_is_rotated_elsewhere(
    vault: Vault, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("GNOMON_KEY", KEY)
    assert command("rotate") == 2
    assert "rotated where it is" in capsys.readouterr().err


def test_scopes_need_a_database_of_their_own(tmp_path: Path) -> None:
    create_key_file(tmp_path / "kek.key")
    settings = Settings(data_dir=str(tmp_path), scope_by="agent")
    with closing(DecisionStore(settings.store_url)) as store:
        store.create()
        with pytest.raises(Exception, match="GNOMON_SCOPE_KEYS_URL"):
            open_ring(settings, store)


def test_several_processes_make_the_table_of_scope_keys_and_a_scopes_first_key_at_once(
    postgres_server: str,
) -> None:
    url, provider = new_database(postgres_server), from_text(KEY, name="k")
    barrier = threading.Barrier(6)

    def first(_: int) -> str:
        with closing_database(url) as database:
            table = ScopeKeyTable(database)
            barrier.wait()
            table.create()
            return ScopeKeys(provider, table).sealing(ACME, now_ms=1).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(first, range(6)))) == 1


@contextmanager
def closing_database(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()

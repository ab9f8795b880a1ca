"""Tests of the tables' revisions: from the store of an earlier release, from nothing, at once, and interrupted."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from tests.support.decisions import a_decision
from tests.support.stores.earlier import KEY, make_store_of

from gnomon.cli import main
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.store.migrations import HEAD, KNOWN, upgrading
from gnomon.store.migrations.revisions import FOLDER, VERSION_TABLE
from gnomon.store.schema import METADATA
from gnomon.vault import KeyRing, check_key, load_key, open_decision


@pytest.fixture
def old(url: str) -> Iterator[DecisionStore]:
    """A store that release 0.1.0 made, with three decisions."""
    make_store_of("0.1.0", url)
    store = DecisionStore(url)
    yield store
    store.close()


def executed(store: DecisionStore, statement: str) -> None:
    with store._database.begin() as connection:
        connection.exec_driver_sql(statement)


def tables(store: DecisionStore) -> set[str]:
    with store._database.begin() as connection:
        return set(inspect(connection).get_table_names())


def test_the_store_of_the_last_release_opens_after_the_upgrade(
    old: DecisionStore, url: str
) -> None:
    assert old.create()
    assert not old.create()

    old.check()
    ring = KeyRing(load_key(Settings(store_url=url, key=KEY)), old.keys)
    check_key(ring, old.canary)
    opened = [open_decision(ring, row) for row in old.iter_sealed()]
    assert opened == [a_decision(number) for number in range(3)]


def test_who_only_reads_does_not_upgrade(old: DecisionStore) -> None:
    before = tables(old)

    with pytest.raises(ConfigurationError, match="run gnomon vault upgrade"):
        old.check()

    assert tables(old) == before


def test_the_command_upgrades(
    old: DecisionStore,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GNOMON_STORE_URL", url)
    assert main(["vault", "upgrade"]) == 0
    assert f"upgraded to revision {HEAD}" in capsys.readouterr().out
    assert main(["vault", "upgrade"]) == 0
    assert f"has revision {HEAD} already" in capsys.readouterr().out
    old.check()


@pytest.mark.parametrize("origin", ["nothing", "0.1.0"])
def test_the_revisions_make_the_tables_that_the_code_uses(url: str, origin: str) -> None:
    if origin != "nothing":
        make_store_of(origin, url)
    store = DecisionStore(url)
    store.create()
    with store._database.begin() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []  # partitions apart
    store.close()


def test_the_revisions_form_one_line() -> None:
    scripts = ScriptDirectory(FOLDER)
    line = [script.revision for script in scripts.walk_revisions()]
    assert line == list(reversed(KNOWN))
    assert scripts.get_heads() == [HEAD]


def test_a_store_of_a_newer_release_is_left_as_it_is(store: DecisionStore) -> None:
    executed(store, "UPDATE gnomon_alembic_version SET version_num = '9999'")
    executed(store, "DROP TABLE gnomon_keys")

    for use in (store.create, store.check):
        with pytest.raises(ConfigurationError, match=r"made by a newer gnomon .* revision 9999"):
            use()

    assert "gnomon_keys" not in tables(store)


@pytest.mark.parametrize("found", ["0", "x", "77"])
def test_a_store_that_no_release_made_is_left_as_it_is(old: DecisionStore, found: str) -> None:
    hexadecimal = found.encode().hex()
    value = f"x'{hexadecimal}'" if "sqlite" in old.name else rf"'\x{hexadecimal}'"
    executed(old, f"UPDATE gnomon_meta SET value = {value} WHERE name = 'schema_version'")  # noqa: S608

    for use in (old.create, old.check):
        with pytest.raises(ConfigurationError, match=f"schema version {found} and no revision"):
            use()


def test_the_last_release_refuses_what_was_upgraded(old: DecisionStore) -> None:
    """It compares one value; equal to ``1``, it would write to tables that it does not know."""
    old.create()
    with old._database.begin() as connection:
        found = connection.exec_driver_sql(
            "SELECT value FROM gnomon_meta WHERE name = 'schema_version'"
        ).scalar_one()
    assert bytes(found) == b"%d" % int(HEAD)


def test_the_migrations_of_others_in_the_same_database_are_not_ours(url: str) -> None:
    """MLflow's tables may be there, with the revision of MLflow."""
    make_store_of("0.1.0", url)
    store = DecisionStore(url)
    executed(store, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    executed(store, "INSERT INTO alembic_version VALUES ('b5d2a5f6c9e1')")
    store.create()
    store.check()
    store.close()


def test_what_a_crash_of_the_last_release_left_is_completed(tmp_path: Path) -> None:
    """It made its tables one by one on SQLite."""
    store = DecisionStore(f"sqlite:///{tmp_path}/store.db")
    executed(store, "CREATE TABLE gnomon_meta (name VARCHAR PRIMARY KEY, value BLOB NOT NULL)")
    store.create()
    assert store.count() == 0
    store.close()


def _upgrade(url: str) -> str:
    store = DecisionStore(url)
    try:
        store.create()
        store.check()
    finally:
        store.close()
    return "upgraded"


def test_several_processes_upgrade_at_once(old: DecisionStore, url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        done = pool.map(_upgrade, [url] * 6, chunksize=1)
    assert done == ["upgraded"] * 6
    assert old.count() == 3


def _upgrade_and_die(url: str) -> None:
    ran = upgrading._run

    def run_and_die(connection: Connection) -> None:
        ran(connection)
        os.kill(os.getpid(), signal.SIGKILL)

    upgrading._run = run_and_die
    DecisionStore(url).create()


def test_an_upgrade_that_is_killed_leaves_the_store_as_it_was(old: DecisionStore, url: str) -> None:
    before = tables(old)
    child = multiprocessing.get_context("spawn").Process(target=_upgrade_and_die, args=(url,))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert tables(old) == before

    assert old.create()
    assert old.count() == 3


def test_alembic_is_imported_only_to_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    DecisionStore(url).create()
    lines = [
        "import sys, gnomon, gnomon.cli",
        "from gnomon.store import DecisionStore",
        f"store = DecisionStore({url!r})",
        "assert not store.create()",
        "store.check()",
        "assert 'alembic' not in sys.modules",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=60)  # noqa: S603

"""Decisions are read from a copy of store and key; what is missing, damaged or of another key shows."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision
from tests.support.kafka.topic_in_memory import Record

from gnomon import codec
from gnomon.drill import restore
from gnomon.errors import ConfigurationError
from gnomon.operations.keys.shredding import shred
from gnomon.operations.keys.vault_keys import vault_keys
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.vault import create_key_file


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A store with 25 decisions, written by the stage."""
    folder = tmp_path / "installation"
    folder.mkdir()
    create_key_file(folder / "kek.key")
    found = Settings.from_env({"GNOMON_DATA_DIR": str(folder)})
    stage = VaultStage(found, metrics=Metrics())
    await stage.start()
    await stage.apply(None, [Record(n, codec.encode(a_decision(n))) for n in range(25)])
    await stage.stop()
    return found


def held(
    settings: Settings, tmp_path: Path, *, restored: Settings | None = None
) -> restore.RestoreReport:
    folder = tmp_path / "restored"
    folder.mkdir(exist_ok=True, parents=True)
    return restore.run(settings, folder, restored=restored, at_ms=7, clock_s=lambda: 0.0)


def test_every_decision_opens_from_the_copies_alone(settings: Settings, tmp_path: Path) -> None:
    report = held(settings, tmp_path)

    assert (report.stored, report.restored, report.opened, report.passed) == (25, 25, 25, True)
    assert (tmp_path / "restored/kek.key").stat().st_mode & 0o777 == 0o600


def test_it_copies_while_a_transaction_is_open(settings: Settings, tmp_path: Path) -> None:
    path = settings.store_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM gnomon_decisions")
        report = held(settings, tmp_path)
        writer.execute("ROLLBACK")

    assert report.passed


def copy_of(settings: Settings, tmp_path: Path) -> Settings:
    """A backup as somebody else has restored it."""
    held(settings, tmp_path)
    folder = tmp_path / "restored"
    return replace(
        settings,
        data_dir=str(folder),
        store_url=f"sqlite:///{folder / 'decisions.db'}",
        key_file=str(folder / "kek.key"),
    )


@pytest.mark.parametrize(
    ("damage", "restored", "opened"),
    [
        ("DELETE FROM gnomon_decisions WHERE decision_id = 'd-00003'", 24, 24),
        ("UPDATE gnomon_decisions SET sealed = zeroblob(90) WHERE decision_id > 'd-00020'", 25, 21),
    ],
)
def test_a_backup_that_lacks_something_fails(
    settings: Settings, tmp_path: Path, damage: str, restored: int, opened: int
) -> None:
    backup = copy_of(settings, tmp_path)
    with closing(sqlite3.connect(tmp_path / "restored/decisions.db")) as database, database:
        database.execute(damage)

    report = held(settings, tmp_path, restored=backup)

    assert (report.stored, report.restored, report.opened) == (25, restored, opened)
    assert not report.passed


async def test_a_backup_from_before_a_shred_stays_unreadable(
    settings: Settings, tmp_path: Path
) -> None:
    """Whatever backup of the store is restored: what would open it are scope keys of that time."""
    scopes = tmp_path / "scopes.db"
    settings = replace(settings, scope_by="tenant", scope_keys_url=f"sqlite:///{scopes}")
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    of_acme = [msgspec.structs.replace(a_decision(n), tenant="acme") for n in range(30, 35)]
    await stage.apply(None, [Record(n, codec.encode(each)) for n, each in enumerate(of_acme, 30)])
    await stage.stop()
    backup = copy_of(settings, tmp_path)
    with closing(sqlite3.connect(scopes)) as now, closing(sqlite3.connect(f"{scopes}.old")) as old:
        now.backup(old)
    with vault_keys(settings) as keys:
        shred(keys, "tenant:acme", command="test", reason="contract ended")

    for restored in (None, backup):
        report = held(settings, tmp_path / "again", restored=restored)
        assert (report.stored, report.restored) == (30, 30)
        assert (report.opened, report.shredded, report.passed) == (25, 5, True)
    as_then = replace(backup, scope_keys_url=f"sqlite:///{scopes}.old")
    assert held(settings, tmp_path / "again", restored=as_then).opened == 30


def test_the_wrong_key_is_named(settings: Settings, tmp_path: Path) -> None:
    backup = copy_of(settings, tmp_path)
    (tmp_path / "restored/kek.key").unlink()
    create_key_file(tmp_path / "restored/kek.key")

    with pytest.raises(ConfigurationError, match="key"):
        held(settings, tmp_path, restored=backup)


def test_an_empty_store_is_no_evidence(tmp_path: Path) -> None:
    create_key_file(tmp_path / "kek.key")
    settings = Settings.from_env({"GNOMON_DATA_DIR": str(tmp_path)})
    with pytest.raises(ConfigurationError):
        held(settings, tmp_path)


def test_postgresql_is_restored_by_its_own_tools(tmp_path: Path) -> None:
    settings = Settings.from_env({"GNOMON_DATA_DIR": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="--store-url"):
        restore._copied(replace(settings, store_url="postgresql://u:secret@host/name"), tmp_path)

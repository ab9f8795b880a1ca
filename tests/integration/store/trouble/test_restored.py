"""A store that is restored while a vault writes to it: what is stored afterwards can be opened."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.decisions import a_decision
from tests.support.kafka.topic_in_memory import Record

from gnomon import codec
from gnomon.errors import KeyUnavailableError
from gnomon.events import SealedDecision
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, create_key_file, load_key, open_decision

TABLES = ("gnomon_decisions", "gnomon_keys", "gnomon_meta")


async def store(vault: VaultStage, *numbers: int) -> None:
    records = [Record(n, codec.encode(a_decision(n))) for n in numbers]
    await vault.apply(None, records)


def opened(settings: Settings) -> list[str]:
    """The ids of the decisions that another process can open."""
    store = DecisionStore(settings.store_url)
    ring = KeyRing(load_key(settings), store.keys)
    with closing(store):
        return [open_decision(ring, row).decision_id for row in store.iter_sealed()]


def sealed_by(kid: str, number: int) -> SealedDecision:
    return SealedDecision(
        decision_id=f"d-{number}",
        key_id=kid,
        sealed=b"x",
        status="matched",
        started_at_ms=1,
        ended_at_ms=2,
    )


def forget_keys(settings: Settings) -> None:
    """Bring the database back to before the vault's key was stored, as a lagging replica would."""
    url = settings.store_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM gnomon_keys"))
        connection.execute(text("DELETE FROM gnomon_decisions"))
    engine.dispose()


async def test_the_key_is_stored_again_with_what_it_seals(
    settings: Settings, vault: VaultStage
) -> None:
    await store(vault, 1)
    await asyncio.to_thread(forget_keys, settings)

    await store(vault, 2, 3)

    assert opened(settings) == ["d-00002", "d-00003"]


async def test_every_key_of_a_batch_is_stored_again(settings: Settings) -> None:
    key, files = load_key(settings), DecisionStore(settings.store_url)
    files.create()
    ring = KeyRing(key, files.keys, clock_ms=iter(range(0, 10**9, 3_600_000)).__next__)
    sealed = [ring.seal(b"{}", record_id=f"d-{n}", schema="s")[0] for n in range(3)]
    assert len(set(sealed)) == 3
    rows = ring.rows_of(sealed)
    await asyncio.to_thread(forget_keys, settings)
    assert files.keys.count() == 0

    files.upsert([sealed_by(kid, n) for n, kid in enumerate(sealed)], keys=rows)

    assert {kid for kid in sealed if files.keys.get(kid)} == set(sealed)
    files.close()


async def test_a_store_that_has_become_another_is_not_written_to(
    settings: Settings, vault: VaultStage
) -> None:
    await store(vault, 1)
    url = settings.store_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE gnomon_meta SET value = :value WHERE name = 'canary'"), {"value": b"other"}
        )
    engine.dispose()

    with pytest.raises(KeyUnavailableError, match="has become another store"):
        await store(vault, 2)

    assert opened(settings) == ["d-00001"]


def rename_into_place(backup: Path, file: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    backup.replace(file)


@pytest.mark.parametrize("way", ["online", "renamed"])
async def test_a_backup_of_an_sqlite_file_restored_under_a_running_vault(
    tmp_path: Path, way: str
) -> None:
    """A file that takes the place of another by a rename leaves open connections at the old one."""
    file, backup = tmp_path / "store.db", tmp_path / "backup.db"
    create_key_file(tmp_path / "kek.key")
    settings = Settings(data_dir=str(tmp_path), store_url=f"sqlite:///{file}")
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
        copy.execute("DELETE FROM gnomon_keys")
        copy.commit()
    await store(stage, 1)
    if way == "online":
        with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
    else:
        await asyncio.to_thread(rename_into_place, backup, file)

    await store(stage, 2, 3)

    assert opened(settings) == ["d-00002", "d-00003"]
    await stage.stop()

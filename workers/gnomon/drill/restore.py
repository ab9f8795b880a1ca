"""The restore drill: can the decisions be read from a backup of the store and the key alone?

It copies the SQLite store, while workers write to it, and the key file into an empty folder, and opens every
decision of the copy with settings that name nothing else. A backup that was made and restored by other means,
as of PostgreSQL, is named instead of copied.
"""

import dataclasses
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.store.database import Database


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one drill, as it is written to ``report.json``.

    Attributes:
        at_ms: When it began, epoch milliseconds.
        stored: Decisions in the store before it was copied.
        restored: Decisions in the copy.
        opened: Decisions of the copy that the key opens.
        shredded: Decisions of the copy whose scope was shredded; a backup from before it does not open them.
        took_s: Seconds to copy the store and open all.
        passed: Whether there are decisions, none is missing, and every one opens that was not shredded.
    """

    drill: Literal["restore"]
    at_ms: int
    stored: int
    restored: int
    opened: int
    shredded: int
    took_s: float
    passed: bool


def run(
    settings: Settings,
    folder: Path,
    *,
    restored: Settings | None = None,
    at_ms: int,
    clock_s: Callable[[], float],
) -> RestoreReport:
    """Run the drill.

    Args:
        settings: Settings of the store and the key.
        folder: An empty folder for the copy.
        restored: Settings of a store and key that were restored from a backup; by default both are copied.
        at_ms: When the drill began, epoch milliseconds; for the report.
        clock_s: Monotonic seconds.

    Raises:
        ConfigurationError: There is no store or key, or it is no SQLite store and no restored one is named.
        StoreUnavailableError: A store does not answer.
    """
    began_s = clock_s()
    store = DecisionStore(settings.store_url)
    try:
        store.check()
        stored = store.count()
    finally:
        store.close()
    reader = VaultReader(restored or _copied(settings, folder))
    try:
        opened = sum(1 for _ in reader.decisions())
        shredded = reader.unreadable["shredded"]
        found = reader.store.count()
    finally:
        reader.close()
    return RestoreReport(
        drill="restore",
        at_ms=at_ms,
        stored=stored,
        restored=found,
        opened=opened,
        shredded=shredded,
        took_s=round(clock_s() - began_s, 3),
        passed=opened > 0 and stored <= found == opened + shredded,
    )


def _copied(settings: Settings, folder: Path) -> Settings:
    """Copy store and key; return settings of the copies."""
    path = Database(settings.store_url).path
    if path is None:
        raise ConfigurationError(
            "gnomon drill restore copies SQLite stores. Restore a backup of this database into another one,"
            " and name it: gnomon drill restore --store-url postgresql://…"
        )
    copy, key = folder / "decisions.db", folder / "kek.key"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)  # consistent, also while others write
    if Path(settings.key_file).exists():
        shutil.copy2(settings.key_file, key)  # with its mode: others must not read it
    return dataclasses.replace(
        settings,
        data_dir=str(folder),
        store_url=f"sqlite:///{copy}",
        key_file=str(key),
    )

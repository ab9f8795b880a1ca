"""Faults of what is beside Kafka: the store of decisions, and the registry of models."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.faults.fault import Fault
from tests.faults.rig import Rig

KEY_S = 30.0
"""How long the vault may take to seal something with a new key, and to notice that the key is gone."""


async def store_restored(rig: Rig, fault: Fault) -> None:
    """The database goes back to before a key was stored with which the vault still seals.

    So does a lagging replica that is promoted. If nothing more is sealed, because the stream has ended,
    the key is put back: it would be lost by no fault of the vault's.
    """
    path = Path(rig.settings.store_url.removeprefix("sqlite:///"))
    before = await asyncio.to_thread(_keys, path)
    rig.signal(fault.stage, signal.SIGKILL)
    made = await _until_made(path, before)
    if not made:
        return
    await asyncio.sleep(fault.between(0.0, 1.0))
    sealed = await asyncio.to_thread(_forget, path, made)
    back = await _until_made(path, before)
    if not made.keys() <= back.keys() and await asyncio.to_thread(_sealed, path, made) == sealed:
        await asyncio.to_thread(_put_back, path, made)


async def registry_away(rig: Rig, fault: Fault) -> None:
    """The registry cannot be read, also when a worker starts meanwhile."""
    path = Path(rig.settings.mlflow_uri.removeprefix("sqlite:///"))
    aside = path.with_suffix(".aside")
    await asyncio.to_thread(_replace_by_garbage, path, aside)
    await asyncio.sleep(fault.between(0.0, 3.0))
    rig.signal(fault.stage, signal.SIGKILL)
    await asyncio.sleep(1.0)
    await rig.ready(fault.stage, timeout_s=30.0)
    await asyncio.to_thread(_bring_back, path, aside)


def _keys(path: Path) -> Mapping[str, tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=30)) as store:
        return {row[0]: row for row in store.execute("SELECT * FROM gnomon_keys")}


async def _until_made(
    path: Path, before: Mapping[str, tuple[Any, ...]]
) -> Mapping[str, tuple[Any, ...]]:
    """The keys that were not there before; none if none is made in time."""
    deadline = time.monotonic() + KEY_S
    while time.monotonic() < deadline:
        found = await asyncio.to_thread(_keys, path)
        if made := {kid: row for kid, row in found.items() if kid not in before}:
            return made
        await asyncio.sleep(0.05)
    return {}


def _forget(path: Path, keys: Mapping[str, tuple[Any, ...]]) -> int:
    """Delete the keys; returns how many decisions they had sealed."""
    with closing(sqlite3.connect(path, timeout=30)) as store, store:
        store.executemany("DELETE FROM gnomon_keys WHERE kid = ?", [(kid,) for kid in keys])
    return _sealed(path, keys)


def _sealed(path: Path, keys: Mapping[str, tuple[Any, ...]]) -> int:
    """How many decisions are sealed with the keys."""
    count = "SELECT count(*) FROM gnomon_decisions WHERE key_id = ?"
    with closing(sqlite3.connect(path, timeout=30)) as store:
        return sum(store.execute(count, (kid,)).fetchone()[0] for kid in keys)


def _put_back(path: Path, keys: Mapping[str, tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(path, timeout=30)) as store, store:
        for row in keys.values():
            places = ", ".join("?" * len(row))
            store.execute(f"INSERT OR IGNORE INTO gnomon_keys VALUES ({places})", row)  # noqa: S608


def _replace_by_garbage(path: Path, aside: Path) -> None:
    if path.exists():
        path.replace(aside)
    path.write_bytes(b"this is no database" * 1000)


def _bring_back(path: Path, aside: Path) -> None:
    path.unlink(missing_ok=True)
    if aside.exists():
        aside.replace(path)

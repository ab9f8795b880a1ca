"""Tests of vault and store together: no plaintext on disk, and all of it readable by the next process."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import (
    KeyRing,
    check_key,
    create_key_file,
    load_key,
    open_decision,
    seal_decision,
)

MARKER = "payroll-of-the-board"

SEAL = """
import os, signal, sys
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, seal_decision
from tests.support.decisions import a_decision

settings = Settings.from_env(os.environ)
store = DecisionStore(settings.store_url)
store.create()
ring = KeyRing(load_key(settings), store.keys)
check_key(ring, store.canary)
first, end = int(sys.argv[1]), sys.argv[2]
store.upsert([seal_decision(ring, a_decision(n)) for n in range(first, first + 10)])
print(seal_decision(ring, a_decision(first)).key_id, flush=True)
if end == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
store.close()
"""


@pytest.fixture
def opened(settings: Settings) -> Iterator[DecisionStore]:
    store = DecisionStore(settings.store_url)
    store.create()
    yield store
    store.close()


def another_process(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  this interpreter
        [sys.executable, "-c", SEAL, *arguments],
        env={**os.environ, **settings.as_environ()},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_what_others_sealed_and_left_opens_here(settings: Settings, opened: DecisionStore) -> None:
    """One process ended normally; another was killed after sealing its next record and before storing it."""
    ended = another_process(settings, "0", "ended")
    killed = another_process(settings, "10", "killed")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    ring = KeyRing(load_key(settings), opened.keys)
    check_key(ring, opened.canary)
    stored = list(opened.iter_sealed())
    assert [open_decision(ring, row) for row in stored] == [a_decision(n) for n in range(20)]
    used = {process.stdout.strip() for process in (ended, killed)}
    assert {row.key_id for row in stored} == used
    assert len(used) == 2
    assert all(opened.keys.get(key_id) for key_id in used)


def test_a_key_is_on_disk_before_its_first_record_is_sealed(
    settings: Settings, opened: DecisionStore
) -> None:
    """Return whether another connection sees nothing stored but the key."""
    sealed = seal_decision(KeyRing(load_key(settings), opened.keys), a_decision(1))
    witness = DecisionStore(settings.store_url)
    assert witness.keys.get(sealed.key_id) is not None
    assert witness.count() == 0
    witness.close()


def test_the_wrong_key_is_found_out_at_the_start(
    settings: Settings, opened: DecisionStore, tmp_path: Path
) -> None:
    ring = KeyRing(load_key(settings), opened.keys)
    check_key(ring, opened.canary)
    opened.upsert([seal_decision(ring, a_decision(1))])
    wrong = KeyRing(create_key_file(tmp_path / "wrong.key"), opened.keys)
    with pytest.raises(KeyUnavailableError, match="this key does not open this store"):
        check_key(wrong, opened.canary)
    with pytest.raises(UnreadableError, match="unknown_key"):
        open_decision(wrong, opened.recent(1)[0])


def test_rows_exchanged_in_the_database_do_not_open(
    settings: Settings, opened: DecisionStore
) -> None:
    ring = KeyRing(load_key(settings), opened.keys)
    opened.upsert([seal_decision(ring, a_decision(n)) for n in (1, 2)])
    with opened._database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE gnomon_decisions SET sealed ="
            " (SELECT sealed FROM gnomon_decisions WHERE decision_id = 'd-00002')"
            " WHERE decision_id = 'd-00001'"
        )
    moved = opened.get("d-00001")
    assert moved is not None
    with pytest.raises(UnreadableError, match="tampered"):
        open_decision(ring, moved)


def test_no_file_of_sqlite_holds_anything_readable(tmp_path: Path) -> None:
    """Also the write-ahead log, before and after a checkpoint. The id shows that the search works."""
    key = create_key_file(tmp_path / "kek.key")
    folder = tmp_path / "store"
    store = DecisionStore(f"sqlite:///{folder}/store.db")
    store.create()
    ring = KeyRing(key, store.keys)
    check_key(ring, store.canary)
    for first in range(0, 2_000, 500):
        batch = [a_decision(n, note=MARKER, task_id=MARKER) for n in range(first, first + 500)]
        store.upsert([seal_decision(ring, decision) for decision in batch])
    while_open = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.close()
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"store.db", "store.db-wal"} <= set(while_open)
    assert b"d-01999" in while_open["store.db-wal"]
    assert b"d-01999" in after["store.db"]
    secret = (tmp_path / "kek.key").read_bytes().strip()
    for content in (*while_open.values(), *after.values()):
        for readable in (MARKER.encode(), b"agent-7", b"refactor", b"hour_seen", secret):
            assert readable not in content


def test_no_log_line_holds_anything_readable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every logger, also that of SQLAlchemy, logs at its lowest level."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="sqlalchemy.engine")
    key = create_key_file(tmp_path / "kek.key")
    store = DecisionStore(f"sqlite:///{tmp_path}/store.db")
    store.create()
    ring = KeyRing(key, store.keys)
    sealed = seal_decision(ring, a_decision(1, note=MARKER))
    store.upsert([sealed])
    assert open_decision(KeyRing(key, store.keys), store.recent(1)[0]).context == {"note": MARKER}
    with pytest.raises(UnreadableError):
        open_decision(ring, msgspec.structs.replace(sealed, status="expired"))
    store.close()
    assert "INSERT INTO gnomon_decisions" in caplog.text
    assert MARKER not in caplog.text
    assert (tmp_path / "kek.key").read_text().strip() not in caplog.text

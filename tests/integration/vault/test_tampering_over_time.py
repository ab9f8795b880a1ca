"""Older roots find a rewritten history; what retention and commands change is covered."""

from pathlib import Path

import pytest
from tests.support.tampering import FIRST, change, named, verify
from tests.support.vaults import Vault, read, some

from gnomon.operations.verifying import (
    read_file,
    roots_of,
    write_file,
)
from gnomon.store import DecisionStore
from gnomon.store.roots import drop_lists
from gnomon.vault import KeyRing, load_key, seal_decision
from gnomon.vault.tamper import HOUR_MS, StatementSeal


def test_an_older_root_finds_a_store_that_was_rolled_back_whole(
    vault: Vault, store: DecisionStore, tmp_path: Path
) -> None:
    """An earlier state of all tables, with all its seals, looks right on its own."""
    file = tmp_path / "roots.jsonl"
    with store._database.begin() as connection:
        heads = [
            dict(row)
            for row in connection.exec_driver_sql("SELECT * FROM gnomon_root_heads").mappings()
        ]
    vault.take(read(some(400, 20, hour=2), at=230))
    write_file(file, roots_of(store))
    assert verify(vault, store, older=[read_file(file)]) == []
    before = next(row for row in heads if row["partition"] == 0)
    sets = ", ".join(f"{column} = :{column}" for column in before if column != "partition")
    change(
        store,
        "DELETE FROM gnomon_decisions WHERE decision_id >= 'd-00400'",
        f"DELETE FROM gnomon_roots WHERE hour = {FIRST + 2} AND number = 1",  # noqa: S608
        f"UPDATE gnomon_root_heads SET {sets} WHERE partition = 0",  # noqa: S608
        **{name: value for name, value in before.items() if name != "partition"},
    )
    assert verify(vault, store) == []
    found = verify(vault, store, older=[read_file(file)])
    assert {(each.kind, each.hour) for each in found} == {
        ("rolled back", FIRST + 2),
        ("rolled back", None),
    }


def test_an_older_root_finds_a_history_rewritten_with_the_key(
    vault: Vault, store: DecisionStore, tmp_path: Path
) -> None:
    """Who has the key makes a whole new store, with other decisions and right seals."""
    file = tmp_path / "roots.jsonl"
    write_file(file, roots_of(store))
    change(
        store,
        "DELETE FROM gnomon_decisions",
        "DELETE FROM gnomon_roots",
        "DELETE FROM gnomon_root_heads",
    )
    with Vault(vault.settings.store_url, Path(vault.settings.data_dir)) as other:
        other.take(read(some(0, 60)))
        other.take(read(some(60, 40) + some(100, 60, hour=1), at=60))
        other.take(read(some(200, 50), partition=1))
        other.take(read(some(160, 40, hour=1), at=160))
        other.take(read(some(300, 30, hour=2), at=200))
    assert verify(vault, store) == []
    found = verify(vault, store, older=[read_file(file)])
    assert {each.kind for each in found} == {"rewritten"}
    assert {(each.hour, each.partition) for each in found} == {
        (FIRST, 0), (FIRST, 1), (FIRST + 1, 0), (FIRST + 2, 0),
    }  # fmt: skip


def test_an_hour_that_retention_dropped_keeps_its_root(
    vault: Vault, store: DecisionStore, tmp_path: Path
) -> None:
    """A late decision of a dropped hour is still covered, and older roots are still compared."""
    file = tmp_path / "roots.jsonl"
    write_file(file, roots_of(store))
    log = store.root_log(StatementSeal.of(load_key(vault.settings), store.keys))
    for partition in (0, 1):
        addition = log.dropping(partition, FIRST)
        with store._database.begin() as connection:
            log.write(connection, addition)
            drop_lists(connection, FIRST, partition)
        log.stored(addition)
    change(store, f"DELETE FROM gnomon_decisions WHERE ended_at_ms / {HOUR_MS} = {FIRST}")  # noqa: S608
    with Vault(vault.settings.store_url, Path(vault.settings.data_dir)) as later:
        later.take(read(some(500, 5), at=230))
    assert verify(vault, store, older=[read_file(file)]) == []
    change(store, "DELETE FROM gnomon_decisions WHERE decision_id = 'd-00502'")
    assert named(verify(vault, store, older=[read_file(file)])) == {("missing", "d-00502")}


def test_what_a_command_removes_or_seals_anew_is_covered(
    vault: Vault, store: DecisionStore, tmp_path: Path
) -> None:
    """Records removed by age or scope, and records under another key; older roots still agree."""
    file = tmp_path / "roots.jsonl"
    write_file(file, roots_of(store))
    log = store.root_log(StatementSeal.of(load_key(vault.settings), store.keys))
    names = [each.decision_id for each in some(0, 7) + some(100, 3, hour=1)]
    gone = [row for row in map(store.get, names) if row is not None]
    removal = log.removal(gone)
    with store._database.begin() as connection:
        log.write(connection, removal)
    log.stored(removal)
    ids = ", ".join(f"'{name}'" for name in names)
    change(store, f"DELETE FROM gnomon_decisions WHERE decision_id IN ({ids})")  # noqa: S608
    ring = KeyRing(load_key(vault.settings), store.keys)
    again = [seal_decision(ring, each) for each in some(10, 5)]
    addition = log.addition(-1, again)
    store.upsert(
        again,
        keys=ring.rows_of(row.key_id for row in again),
        beside=lambda connection: log.write(connection, addition),
    )
    log.stored(addition)
    assert verify(vault, store, older=[read_file(file)]) == []
    change(store, "DELETE FROM gnomon_decisions WHERE decision_id IN ('d-00008', 'd-00012')")
    assert named(verify(vault, store)) == {("missing", "d-00008"), ("missing", "d-00012")}


def test_lists_removed_without_retention_are_named(vault: Vault, store: DecisionStore) -> None:
    change(
        store,
        f"UPDATE gnomon_roots SET hashes = NULL, ids = NULL WHERE hour = {FIRST + 2}",  # noqa: S608
        f"DELETE FROM gnomon_decisions WHERE ended_at_ms / {HOUR_MS} = {FIRST + 2}",  # noqa: S608
    )
    (found,) = verify(vault, store)
    assert (found.kind, found.hour) == ("list missing", FIRST + 2)


def test_an_older_version_put_back_is_named(vault: Vault, store: DecisionStore) -> None:
    """A decision that was stored again has a newer list; the older row no longer counts."""
    before = store.get("d-00005")
    assert before is not None
    vault.take(read(some(5, 1), at=300))
    assert verify(vault, store) == []
    change(
        store,
        "UPDATE gnomon_decisions SET sealed = :to, key_id = :id WHERE decision_id = 'd-00005'",
        to=before.sealed,
        id=before.key_id,
    )
    assert named(verify(vault, store)) == {("changed", "d-00005")}


def test_an_hour_with_more_records_than_are_compared_at_once(
    vault: Vault, store: DecisionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.operations.verifying.records.IDS_IN_MEMORY", 13)
    assert verify(vault, store) == []
    ring = KeyRing(load_key(vault.settings), store.keys)
    row = seal_decision(ring, some(900, 1)[0])
    store.upsert([row], keys=ring.rows_of([row.key_id]))
    change(
        store,
        "DELETE FROM gnomon_decisions WHERE decision_id = 'd-00011'",
        "UPDATE gnomon_decisions SET status = 'expired' WHERE decision_id = 'd-00012'",
    )
    assert named(verify(vault, store)) == {
        ("added", "d-00900"), ("missing", "d-00011"), ("changed", "d-00012"),
    }  # fmt: skip

"""Tests of ``gnomon vault verify``: what is changed directly in the database is found and named."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.tampering import FIRST, change, named, verify
from tests.support.vaults import Vault, read, some

from gnomon.operations.verifying import (
    Scope,
    StoreVerifier,
)
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, load_key, seal_decision
from gnomon.vault.tamper import HOUR_MS, StatementSeal


def test_nothing_is_found_where_nothing_was_changed(vault: Vault, store: DecisionStore) -> None:
    seal = StatementSeal.of(load_key(vault.settings), store.keys)
    verifier = StoreVerifier(store, seal, scope=Scope())
    assert list(verifier.findings()) == []
    assert (verifier.records, verifier.hours) == (280, 3)
    one = StoreVerifier(store, seal, scope=Scope(partition=1, since=FIRST, until=FIRST + 1))
    assert list(one.findings()) == []
    assert (one.records, one.hours) == (50, 1)


def test_each_byte_beside_and_in_the_ciphertext_counts(vault: Vault, store: DecisionStore) -> None:
    row = store.get("d-00007")
    assert row is not None
    flipped = bytes([*row.sealed[:-1], row.sealed[-1] ^ 1])
    change(
        store, "UPDATE gnomon_decisions SET sealed = :to WHERE decision_id = 'd-00007'", to=flipped
    )
    for number, column in enumerate(("started_at_ms", "ended_at_ms"), 8):
        change(
            store,
            f"UPDATE gnomon_decisions SET {column} = {column} + 1"  # noqa: S608
            f" WHERE decision_id = 'd-{number:05}'",
        )
    change(
        store,
        "UPDATE gnomon_decisions SET status = 'expired' WHERE decision_id = 'd-00010'",
        "UPDATE gnomon_decisions SET key_id = '00' WHERE decision_id = 'd-00011'",
        "UPDATE gnomon_decisions SET status = 'no status' WHERE decision_id = 'd-00012'",
    )
    assert named(verify(vault, store)) == {("changed", f"d-{n:05}") for n in range(7, 13)}


def test_values_of_other_types_are_found_and_named(tmp_path: Path) -> None:
    """SQLite keeps any kind of value in any column, also text that is not UTF-8."""
    with Vault(f"sqlite:///{tmp_path}/store.db", tmp_path) as vault:
        vault.take(read(some(0, 10)))
        store = DecisionStore(vault.settings.store_url)
        for number, column in enumerate(("sealed", "status", "key_id", "started_at_ms")):
            change(
                store,
                f"UPDATE gnomon_decisions SET {column} = CAST(x'ff474e' AS TEXT)"  # noqa: S608
                f" WHERE decision_id = 'd-0000{number}'",
            )
        change(
            store,
            "INSERT INTO gnomon_decisions (decision_id, status, started_at_ms, ended_at_ms, key_id, sealed)"
            " SELECT CAST(x'ff' AS TEXT), status, 'x', ended_at_ms, key_id, sealed FROM gnomon_decisions"
            " WHERE decision_id = 'd-00009'",
        )
        found = verify(vault, store)
        assert named(found) == {*(("changed", f"d-0000{n}") for n in range(4)), ("added", "\ufffd")}
        change(store, "UPDATE gnomon_roots SET hashes = 'x', records = 'y', root = 7")
        assert {"root replaced", "list altered"} <= {each.kind for each in verify(vault, store)}
        store.close()


def test_a_row_that_is_gone_is_named(vault: Vault, store: DecisionStore) -> None:
    change(store, "DELETE FROM gnomon_decisions WHERE decision_id = 'd-00042'")
    (found,) = verify(vault, store)
    assert (found.kind, found.decision_id) == ("missing", "d-00042")
    assert (found.hour, found.partition) == (FIRST, 0)
    assert found.line().startswith("missing       d-00042, 2025-10-09T08Z, partition 0: ")


def test_a_row_that_another_sealed_with_the_right_key_is_named(
    vault: Vault, store: DecisionStore
) -> None:
    """In an hour that there is, and in one that there is not."""
    ring = KeyRing(load_key(vault.settings), store.keys)
    for number, hour in ((900, 1), (901, 9)):
        row = seal_decision(ring, some(number, 1, hour=hour)[0])
        store.upsert([row], keys=ring.rows_of([row.key_id]))
    found = verify(vault, store)
    assert named(found) == {("added", "d-00900"), ("added", "d-00901")}
    assert {each.hour for each in found} == {FIRST + 1, FIRST + 9}


def test_rows_with_swapped_contents_are_named(vault: Vault, store: DecisionStore) -> None:
    """Once the sealed bytes alone, once with everything beside them."""
    for one, other, columns in (
        ("d-00003", "d-00090", ("sealed",)),
        ("d-00110", "d-00170", None),
        ("d-00020", "d-00310", ("sealed",)),
    ):
        first, second = store.get(one), store.get(other)
        assert first is not None
        assert second is not None
        for name, content in ((one, second), (other, first)):
            values = msgspec.structs.asdict(content)
            sets = columns or tuple(column for column in values if column != "decision_id")
            assigned = ", ".join(f"{column} = :{column}" for column in sets)
            change(
                store,
                f"UPDATE gnomon_decisions SET {assigned} WHERE decision_id = '{name}'",  # noqa: S608
                **{column: values[column] for column in sets},
            )
    found = verify(vault, store)
    assert named(found) == {("swapped", f"d-{number:05}") for number in (3, 90, 110, 170, 20, 310)}
    details = {each.decision_id: each.detail for each in found}
    assert details["d-00003"] == "has been swapped: d-00090 has its content"
    assert details["d-00170"] == "has been swapped: d-00110 has its content"


def test_a_record_moved_to_another_hour_is_named(vault: Vault, store: DecisionStore) -> None:
    change(
        store,
        "UPDATE gnomon_decisions SET ended_at_ms = ended_at_ms + 3600000 WHERE decision_id = 'd-00001'",
    )
    found = verify(vault, store)
    assert named(found) == {("changed", "d-00001"), ("added", "d-00001")}
    assert "ended in 2025-10-09T09Z" in found[-1].detail


def _remove_hour(store: DecisionStore, hour: int, *, with_head: bool = False) -> None:
    change(
        store,
        f"DELETE FROM gnomon_decisions WHERE ended_at_ms / {HOUR_MS} = {hour}",  # noqa: S608
        f"DELETE FROM gnomon_roots WHERE hour = {hour}",  # noqa: S608
        *(["DELETE FROM gnomon_root_heads"] if with_head else []),
    )


@pytest.mark.parametrize("hour", [FIRST, FIRST + 1, FIRST + 2], ids=["first", "middle", "newest"])
def test_an_hour_removed_whole_is_named(vault: Vault, store: DecisionStore, hour: int) -> None:
    """With its rows and its roots; nothing else is known of the store's past."""
    _remove_hour(store, hour)
    found = verify(vault, store)
    assert ("hour removed", hour) in {(each.kind, each.hour) for each in found}
    assert {each.kind for each in found} == {"hour removed", "rolled back"}


def test_rows_of_an_hour_removed_without_its_roots_are_named(
    vault: Vault, store: DecisionStore
) -> None:
    change(store, f"DELETE FROM gnomon_decisions WHERE ended_at_ms / {HOUR_MS} = {FIRST + 2}")  # noqa: S608
    assert named(verify(vault, store)) == {("missing", f"d-{n:05}") for n in range(300, 330)}


def _root(store: DecisionStore, hour: int, number: int) -> dict[str, Any]:
    with store._database.begin() as connection:
        query = f"SELECT * FROM gnomon_roots WHERE hour = {hour} AND partition = 0 AND number = {number}"  # noqa: S608
        return dict(connection.exec_driver_sql(query).mappings().one())


def test_a_replaced_root_is_named(vault: Vault, store: DecisionStore) -> None:
    """By any bytes, and by an older root with its own seal."""
    newest = f"hour = {FIRST + 1} AND partition = 0 AND number = 1"
    older = _root(store, FIRST + 1, 0)
    change(store, f"UPDATE gnomon_roots SET root = :to WHERE {newest}", to=b"\x01" * 32)  # noqa: S608
    found = verify(vault, store)
    assert {(each.kind, each.hour) for each in found} == {
        ("root replaced", FIRST + 1),
        ("list altered", FIRST + 1),
    }
    change(
        store,
        f"UPDATE gnomon_roots SET root = :root, seal = :seal WHERE {newest}",  # noqa: S608
        root=older["root"],
        seal=older["seal"],
    )
    assert ("root replaced", FIRST + 1) in {(each.kind, each.hour) for each in verify(vault, store)}


def test_lists_removed_with_their_rows_are_named(vault: Vault, store: DecisionStore) -> None:
    """The hour then looks as it did after its first list, which has a seal of its own."""
    change(
        store,
        f"DELETE FROM gnomon_roots WHERE hour = {FIRST + 1} AND number = 1",  # noqa: S608
        "DELETE FROM gnomon_decisions WHERE decision_id BETWEEN 'd-00160' AND 'd-00199'",
    )
    (found,) = verify(vault, store)
    assert found.kind == "rolled back"
    assert "0 hours, 1 lists and 40 records more than there are" in found.detail


def test_a_list_removed_from_the_middle_is_named(vault: Vault, store: DecisionStore) -> None:
    change(store, f"DELETE FROM gnomon_roots WHERE hour = {FIRST} AND partition = 0 AND number = 0")  # noqa: S608
    found = verify(vault, store)
    assert ("list missing", FIRST) in {(each.kind, each.hour) for each in found}
    assert {each.decision_id for each in found if each.kind == "added"} == {
        f"d-{n:05}" for n in range(60)
    }


def test_records_reordered_or_changed_in_a_list_are_named(
    vault: Vault, store: DecisionStore
) -> None:
    found = _root(store, FIRST, 0)
    hashes, ids = bytes(found["hashes"]), msgspec.msgpack.decode(found["ids"])
    reordered = hashes[32:64] + hashes[:32] + hashes[64:]
    change(
        store,
        f"UPDATE gnomon_roots SET hashes = :hashes, ids = :ids WHERE hour = {FIRST}"  # noqa: S608
        " AND partition = 0 AND number = 0",
        hashes=reordered,
        ids=msgspec.msgpack.encode([ids[1], ids[0], *ids[2:]]),
    )
    (only,) = verify(vault, store)
    assert (only.kind, only.hour, only.partition) == ("reordered", FIRST, 0)
    assert "records 1 to 60 of the hour" in only.detail


def test_a_changed_row_and_list_and_leaf_together_are_found(
    vault: Vault, store: DecisionStore
) -> None:
    """Everything but the seal is made to fit the changed row."""
    from gnomon.vault.tamper import RecordList, record_hash  # noqa: PLC0415

    row = store.get("d-00000")
    assert row is not None
    change(store, "UPDATE gnomon_decisions SET status = 'expired' WHERE decision_id = 'd-00000'")
    changed = store.get("d-00000")
    assert changed is not None
    found = _root(store, FIRST, 0)
    hashes = record_hash(changed) + bytes(found["hashes"])[32:]
    listed = RecordList(
        partition=0, hour=FIRST, number=0, position=0, hashes=hashes, ids=bytes(found["ids"])
    )
    change(
        store,
        f"UPDATE gnomon_roots SET hashes = :hashes, leaf = :leaf WHERE hour = {FIRST}"  # noqa: S608
        " AND partition = 0 AND number = 0",
        hashes=hashes,
        leaf=listed.leaf(),
    )
    (only,) = verify(vault, store)
    assert (only.kind, only.hour, only.partition) == ("list altered", FIRST, 0)


def test_a_replaced_or_removed_head_is_found(vault: Vault, store: DecisionStore) -> None:
    change(store, "UPDATE gnomon_root_heads SET records = records - 1 WHERE partition = 1")
    assert "head replaced" in {each.kind for each in verify(vault, store)}
    change(store, "DELETE FROM gnomon_root_heads WHERE partition = 1")
    found = verify(vault, store)
    assert ("head replaced", 1) in {(each.kind, each.partition) for each in found}

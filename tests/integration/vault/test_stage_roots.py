"""Tests of the vault stage's trees: exact after every crash, with two workers, and over an older store."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.support.polling import eventually_sync
from tests.support.vaults import Read, Vault, ledgers, read, some

from gnomon import codec
from gnomon.errors import OvertakenError, StoreRefusedError
from gnomon.events import SealedDecision, VaultHead, VaultRoot
from gnomon.operations.verifying import Finding, OlderRoots, Scope, StoreVerifier, roots_of
from gnomon.records import Outputs
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, create_key_file, load_key, open_decision, seal_decision
from gnomon.vault.tamper import StatementSeal


def verify(vault: Vault, older: Sequence[OlderRoots] = ()) -> list[Finding]:
    store = DecisionStore(vault.settings.store_url)
    seal = StatementSeal.of(load_key(vault.settings), store.keys)
    try:
        return list(StoreVerifier(store, seal, older=older, scope=Scope()).findings())
    finally:
        store.close()


def published(outputs: Outputs) -> list[SealedDecision]:
    return [
        codec.decode_sealed_decision(value or b"") for _, value in outputs.by_topic["decisions"]
    ]


def stored(vault: Vault) -> dict[str, SealedDecision]:
    store = DecisionStore(vault.settings.store_url)
    try:
        return {row.decision_id: row for row in store.iter_sealed()}
    finally:
        store.close()


def stored_by(vault: Vault, batch: Sequence[Read]) -> dict[str, SealedDecision]:
    vault.take(batch)
    return stored(vault)


def beside(vault: Vault) -> Vault:
    """Another process of the same vault."""
    return Vault(vault.settings.store_url, Path(vault.settings.data_dir))


def test_what_is_published_is_what_is_stored(vault: Vault) -> None:
    outputs = vault.take(read(some(0, 5) + some(5, 5, hour=1)))
    vault.take(read(some(20, 5, hour=1), at=10))
    outputs.by_topic["vault-roots"] += vault.take(read(some(30, 1), partition=3)).by_topic[
        "vault-roots"
    ]
    seal = StatementSeal.of(load_key(vault.settings), vault.stage._store.keys)  # type: ignore[union-attr]
    topic = OlderRoots("topic")
    for _, value in outputs.by_topic["vault-roots"]:
        topic.add(msgspec.json.decode(value or b"", type=VaultRoot | VaultHead), seal)
    assert topic.refused == []
    assert {(*key, root.records) for key, root in topic.roots.items()} == {
        (0, 488_888, 5), (0, 488_889, 5), (3, 488_888, 1),
    }  # fmt: skip
    assert verify(vault, [topic]) == []
    assert {row.decision_id: row for row in published(outputs)}.items() <= stored(vault).items()
    assert b"0/488888" in {key for key, _ in outputs.by_topic["vault-roots"]}


def test_a_batch_that_comes_again_is_published_as_it_was_stored(vault: Vault) -> None:
    """Once as it was, once with more behind it; the process began anew each time."""
    batch = read(some(0, 20), at=100)
    first = published(vault.take(batch))
    with beside(vault) as again:
        second = again.take(batch)
    assert published(second) == first
    assert {key for key, _ in second.by_topic["vault-roots"]} == {b"0/488888", b"0"}
    with beside(vault) as later:
        third = published(later.take([*batch, *read(some(20, 10), at=120)]))
    assert third[:20] == first
    assert {row.decision_id: row for row in third} == stored(vault)
    assert verify(vault) == []
    assert vault.stage._store is not None
    heads = [each for each in roots_of(vault.stage._store) if isinstance(each, VaultHead)]
    assert [(head.records, head.lists) for head in heads] == [(30, 2)]


def test_metrics_of_a_batch_are_no_part_of_the_trees(vault: Vault) -> None:
    """Their offsets are those of another topic; a batch of metrics alone leaves the head as it is."""
    decisions, others = read(some(0, 6), at=100), ledgers(5_000, 6)
    mixed = [each for pair in zip(others, decisions, strict=True) for each in pair]
    first = published(vault.take(mixed))
    vault.take(ledgers(5_006, 3))
    assert vault.stage._store is not None
    heads = [each for each in roots_of(vault.stage._store) if isinstance(each, VaultHead)]
    assert [(head.from_offset, head.next_offset, head.records) for head in heads] == [(100, 106, 6)]
    with beside(vault) as again:
        assert published(again.take(mixed)) == first
        assert published(again.take([*ledgers(0, 2), *read(some(6, 2), at=106)])) != []
    assert len(stored(vault)) == 8
    assert verify(vault) == []


def test_a_row_that_was_changed_meanwhile_is_stored_again(vault: Vault) -> None:
    batch = read(some(0, 3))
    vault.take(batch)
    with vault.stage._store._database.begin() as connection:  # type: ignore[union-attr]
        connection.exec_driver_sql("DELETE FROM gnomon_decisions WHERE decision_id = 'd-00001'")
        connection.exec_driver_sql(
            "UPDATE gnomon_decisions SET sealed = key_id_bytes FROM"
            " (SELECT sealed AS key_id_bytes FROM gnomon_decisions WHERE decision_id = 'd-00000') AS o"
            " WHERE decision_id = 'd-00002'"
        )
    with beside(vault) as again:
        again.take(batch)
        ring = KeyRing(load_key(vault.settings), again.stage._store.keys)  # type: ignore[union-attr]
        rows = stored(vault)
        assert [open_decision(ring, rows[f"d-{n:05}"]) for n in range(3)] == some(0, 3)
    assert verify(vault) == []


def test_other_decisions_of_the_same_offsets_are_stored(vault: Vault) -> None:
    """A topic that was made again begins at offset 0."""
    vault.take(read(some(0, 10)))
    vault.take(read(some(50, 10)))
    assert len(stored(vault)) == 20
    assert verify(vault) == []


def test_of_two_workers_with_one_partition_one_stores(vault: Vault) -> None:
    """The other publishes what the first has stored."""
    with beside(vault) as other:
        vault.take(read(some(0, 10)))
        first = published(other.take(read(some(10, 10), at=10)))
        assert published(vault.take(read(some(10, 10), at=10))) == first
        assert len(stored(vault)) == 20
    assert verify(vault) == []


def test_two_workers_begin_a_partition_at_once(vault: Vault) -> None:
    with beside(vault) as other:
        other.take(read(some(0, 1), partition=7))
        vault.stage._writer._rooted._log.head(0)  # type: ignore[union-attr]
        first = published(other.take(read(some(5, 5))))
        assert published(vault.take(read(some(5, 5)))) == first
    assert verify(vault) == []


@pytest.mark.parametrize("begun", [0, 9])
def test_who_is_overtaken_in_one_partition_stores_nothing_of_any(vault: Vault, begun: int) -> None:
    log = vault.stage._writer._rooted._log  # type: ignore[union-attr]
    rows = list(stored_by(vault, read(some(0, 5), partition=begun)).values())
    overtaken = [log.addition(partition, rows) for partition in (0, 1, 2)]
    vault.take(read(some(5, 5), at=5))
    with (
        pytest.raises(OvertakenError, match="another process has stored"),
        vault.stage._store._database.begin() as connection,  # type: ignore[union-attr]
    ):
        log.write(connection, *overtaken)
    assert verify(vault) == []


def test_what_is_published_has_the_seals_of_the_store(vault: Vault) -> None:
    vault.take(read(some(0, 5)))
    outputs = vault.take(read(some(5, 5) + some(10, 5, hour=1), at=5))
    events = [
        msgspec.json.decode(value or b"", type=VaultRoot | VaultHead)
        for _, value in outputs.by_topic["vault-roots"]
    ]
    assert vault.stage._store is not None
    in_store = list(roots_of(vault.stage._store))
    assert len(events) == 3
    assert all(each in in_store for each in events)


def test_a_row_that_is_refused_leaves_the_trees_exact(vault: Vault) -> None:
    records = read(some(0, 3) + some(3, 2, hour=1))
    broken = codec.encode(some(9, 1)[0]).replace(b'"at_ms":17', b'"at_ms":17000000000017')
    records.insert(2, Read(broken, 7))
    outputs = vault.take(records)
    assert [each.reason for each in outputs.dead] == ["store_refused"]
    assert len(stored(vault)) == 5
    published_keys = {key for key, _ in outputs.by_topic["vault-roots"]}
    assert published_keys == {b"0/488888", b"0/488889", b"0"}
    assert verify(vault) == []


def test_a_store_of_an_earlier_release_is_covered_once(url: str, tmp_path: Path) -> None:
    key = create_key_file(tmp_path / "kek.key")
    store = DecisionStore(url)
    store.create()
    ring = KeyRing(key, store.keys)
    store.upsert([seal_decision(ring, each) for each in some(0, 2_345) + some(3_000, 5, hour=4)])
    with Vault(url, tmp_path) as vault:
        vault.take(read(some(4_000, 10)))
        assert verify(vault) == []
        row = seal_decision(ring, some(5_000, 1)[0])
        store.upsert([row])
    with Vault(url, tmp_path) as vault:
        assert [(each.kind, each.decision_id) for each in verify(vault)] == [("added", "d-05000")]
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gnomon_root_heads SET next_offset = 3",
        "UPDATE gnomon_roots SET leaf = root",
        "UPDATE gnomon_roots SET before = 5",
    ],
)
def test_no_root_is_put_upon_altered_trees(vault: Vault, statement: str) -> None:
    """A seal over them would make them right."""
    vault.take(read(some(0, 5)))
    vault.take(read(some(5, 5), at=5))
    with vault.stage._store._database.begin() as connection:  # type: ignore[union-attr]
        connection.exec_driver_sql(statement)
    with (
        beside(vault) as later,
        pytest.raises(StoreRefusedError, match=r"not as gnomon sealed it .*gnomon vault verify"),
    ):
        later.take(read(some(10, 10), at=10))
    assert len(stored(vault)) == 10


CHILD = """
import sys
from pathlib import Path
from tests.support.vaults import Vault, ledgers, read, some

url, folder = sys.argv[1], Path(sys.argv[2])
committed = folder / "committed"
with Vault(url, folder) as vault:
    while (at := int(committed.read_text())) < 20_000:
        vault.take([*ledgers(at // 40, 1), *read(some(at, 40, hour=at // 200), at=at), *ledgers(9 * at, 2)])
        (folder / "next").write_text(str(at + 40))
        (folder / "next").replace(committed)
"""


def test_the_trees_are_exact_after_kills(url: str, tmp_path: Path) -> None:
    """The child's file has the place of Kafka's committed offsets: it is written after the store."""
    create_key_file(tmp_path / "kek.key")
    committed = tmp_path / "committed"
    committed.write_text("0")

    def reached(offset: int) -> bool:
        return int(committed.read_text()) >= offset

    for _ in range(3):
        before = int(committed.read_text())
        with subprocess.Popen(  # noqa: S603  this interpreter
            [sys.executable, "-c", CHILD, url, str(tmp_path)],
            env=os.environ, cwd=Path(__file__).parents[3],
        ) as child:  # fmt: skip
            more = before + 40 * random.randrange(1, 12)  # noqa: S311  when, not what
            eventually_sync(partial(reached, more), timeout_s=30, what="batches")
            child.send_signal(signal.SIGKILL)
    with Vault(url, tmp_path) as vault:
        at = int(committed.read_text())
        vault.take(read(some(at, 40, hour=at // 200), at=at))
        assert verify(vault) == []
        assert len(stored(vault)) == at + 40
        assert vault.stage._store is not None
        (head,) = [each for each in roots_of(vault.stage._store) if isinstance(each, VaultHead)]
        assert (head.next_offset, head.records) == (at + 40, at + 40)

"""Batches of several partitions are stored in one transaction; each partition has its own outputs and roots."""

from collections.abc import Sequence
from contextlib import closing

import msgspec
import pytest
from tests.integration.vault.test_stage_roots import beside, published, stored, verify
from tests.support.vaults import Read, Vault, ledgers, read, some

from gnomon import codec
from gnomon.events import VaultHead
from gnomon.records import Outputs, SourceRecord
from gnomon.stages.vault_sealing import BatchSealer
from gnomon.store import DecisionStore

PARTITIONS = 5


def batches(first: int, *, at: int = 0) -> list[list[Read]]:
    """Return ten decisions of each partition, with numbers from ``first`` on."""
    return [
        read(some(first + 10 * partition, 10), at=at, partition=partition)
        for partition in range(PARTITIONS)
    ]


def ids(batch: Sequence[Read]) -> list[str]:
    return [codec.decode_comparison(each.value or b"").decision_id for each in batch]


def heads(outputs: Outputs) -> list[VaultHead]:
    found = [codec.decode_vault_root(value or b"") for _, value in outputs.by_topic["vault-roots"]]
    return [each for each in found if isinstance(each, VaultHead)]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each transaction."""
    found: list[int] = []
    upsert = DecisionStore.upsert

    def counted(self: DecisionStore, rows: Sequence[object], **beside: object) -> None:
        found.append(len(rows))
        upsert(self, rows, **beside)  # type: ignore[arg-type]

    monkeypatch.setattr(DecisionStore, "upsert", counted)
    return found


def test_batches_fetched_together_are_one_transaction(
    vault: Vault, transactions: list[int]
) -> None:
    given = batches(0)

    outputs = vault.take_all(given)

    assert transactions == [10 * PARTITIONS]
    assert [[row.decision_id for row in published(each)] for each in outputs] == list(
        map(ids, given)
    )
    found = [heads(each) for each in outputs]
    assert [[head.partition for head in each] for each in found] == [[n] for n in range(PARTITIONS)]
    assert verify(vault) == []


def test_a_batch_that_is_read_again_is_published_as_it_was_stored(vault: Vault) -> None:
    vault.take_all(batches(0)[:3])

    again = vault.take_all(batches(0))

    now = stored(vault)
    assert {row.decision_id: row for each in again for row in published(each)} == now
    assert len(now) == 10 * PARTITIONS
    assert verify(vault) == []


def test_a_row_that_is_refused_costs_its_own_batch_only(vault: Vault) -> None:
    given = batches(0)
    bad = codec.decode_comparison(given[2][4].value or b"")
    too_large = msgspec.structs.replace(bad, started_at_ms=2**63)
    given[2][4] = Read(codec.encode(too_large), 4, 2)

    outputs = vault.take_all(given)

    assert [len(each.dead) for each in outputs] == [0, 0, 1, 0, 0]
    assert outputs[2].dead[0].reason == "store_refused"
    assert [len(published(each)) for each in outputs] == [10, 10, 9, 10, 10]
    assert len(stored(vault)) == 49
    assert verify(vault) == []


def test_a_record_on_which_sealing_raises_is_no_poison_of_other_partitions(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = BatchSealer.seal

    def raising(self: BatchSealer, records: Sequence[SourceRecord], outputs: Outputs) -> object:
        if any((record.partition, record.offset) == (3, 7) for record in records):
            raise ZeroDivisionError
        return seal(self, records, outputs)

    monkeypatch.setattr(BatchSealer, "seal", raising)
    given = batches(0)

    found = vault.try_all(given)

    assert [type(each) for each in found] == [Outputs, Outputs, Outputs, ZeroDivisionError, Outputs]
    assert len(stored(vault)) == 40
    assert verify(vault) == []


def test_a_partition_that_another_process_has_added_to_is_no_harm_to_the_others(
    vault: Vault,
) -> None:
    vault.take_all(batches(0))
    with beside(vault) as other:
        other.take(read(some(500, 10), at=10, partition=3))

    outputs = vault.take_all(batches(100, at=20))

    assert [len(published(each)) for each in outputs] == [10] * PARTITIONS
    assert len(stored(vault)) == 110
    assert verify(vault) == []


def test_metrics_of_several_partitions_are_stored_with_the_decisions(vault: Vault) -> None:
    given = batches(0)
    given[0] += ledgers(0, 3)

    vault.take_all(given)

    store = DecisionStore(vault.settings.store_url)
    with closing(store), store.database.begin() as connection:
        (row,) = connection.exec_driver_sql("SELECT predictions FROM gnomon_ledger").fetchall()
    assert tuple(row) == (2,)

"""A large batch is stored in parts: after a crash between two of them, each decision is there once and as published."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.vault.test_joined_batches import ids
from tests.integration.vault.test_stage_roots import beside, published, stored, verify
from tests.support.vaults import Vault, ledgers, read, some

from gnomon.errors import StoreUnavailableError
from gnomon.stages.vault_roots import Covered, RootedStore
from gnomon.store import DecisionStore

PART = 10


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of ten records; the number of rows of each transaction."""
    monkeypatch.setattr("gnomon.stages.vault.MOST_AT_ONCE", PART)
    found: list[int] = []
    upsert = DecisionStore.upsert

    def counted(self: DecisionStore, rows: Any, **beside: Any) -> None:
        upsert(self, rows, **beside)
        found.append(len(rows))

    monkeypatch.setattr(DecisionStore, "upsert", counted)
    return found


@pytest.fixture
def ends_after(monkeypatch: pytest.MonkeyPatch, parts: list[int]) -> Any:
    """Make the store end after so many transactions: before the next one, or once it is committed."""
    upsert = DecisionStore.upsert

    def end(number: int, *, committed: bool) -> None:
        def ending(self: DecisionStore, rows: Any, **beside: Any) -> None:
            if len(parts) < number or committed:
                upsert(self, rows, **beside)
            if len(parts) > number or (len(parts) == number and not committed):
                monkeypatch.setattr(DecisionStore, "upsert", upsert)
                raise StoreUnavailableError("gone")

        monkeypatch.setattr(DecisionStore, "upsert", ending)

    return end


def test_parts_are_published_in_order_with_one_lot_of_outputs(
    vault: Vault, parts: list[int]
) -> None:
    batch = read(some(0, 34), at=100)
    outputs = vault.take(batch)
    assert parts == [10, 10, 10, 4]
    assert [row.decision_id for row in published(outputs)] == ids(batch)
    assert {row.decision_id: row for row in published(outputs)} == stored(vault)
    assert verify(vault) == []


def test_with_many_partitions_each_adds_few_records_to_a_transaction(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker catches up, a transaction has a short time of all partitions, not a long time of one."""
    monkeypatch.setattr("gnomon.stages.vault.MOST_AT_ONCE", 100)
    monkeypatch.setattr("gnomon.stages.vault.MOST_RECORDS", 20)
    monkeypatch.setattr("gnomon.stages.vault.FEWEST_AT_ONCE", 1)
    written: list[Counter[int]] = []
    upsert = RootedStore.upsert

    def counted(self: RootedStore, parts: Sequence[Covered], **beside: Any) -> None:
        upsert(self, parts, **beside)
        written.append(Counter({part.batch[0].partition: len(part.rows) for part in parts}))

    monkeypatch.setattr(RootedStore, "upsert", counted)
    batches = [read(some(100 * number, 100), partition=number) for number in range(8)]
    vault.take_all(batches)

    assert sum(written, Counter()) == dict.fromkeys(range(8), 100)
    later = written[2:]  # those at the beginning do not know yet how many there are
    assert max(map(len, later)) >= 4
    assert all(max(counts.values()) <= 2 * 20 // len(counts) for counts in later)
    assert verify(vault) == []


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("again", [(45,), (7, 45), (25, 33, 45)])
def test_each_decision_is_there_once_after_a_crash_between_two_parts(
    vault: Vault,
    parts: list[int],
    ends_after: Any,
    committed: bool,  # noqa: FBT001  a parameter
    again: tuple[int, ...],
) -> None:
    """The next process reads the same records in batches of its own sizes, the last with more behind it."""
    decisions = some(0, 45)
    ends_after(2, committed=committed)
    with pytest.raises(StoreUnavailableError):
        vault.take(read(decisions[:40], at=100))
    before = stored(vault)
    assert len(before) == (30 if committed else 20)

    out = []
    with beside(vault) as other:
        for begin, end in zip((0, *again), again, strict=False):
            out += published(other.take(read(decisions[begin:end], at=100 + begin)))

    now = stored(vault)
    assert [row.decision_id for row in out] == [each.decision_id for each in decisions]
    assert {row.decision_id: row for row in out} == now
    assert before.items() <= now.items()
    assert sum(parts) == 45
    assert verify(vault) == []


def test_a_row_that_was_deleted_is_stored_again_and_the_later_ones_are_not(
    vault: Vault, parts: list[int]
) -> None:
    """Its numbers are still there."""
    batch = read(some(0, 40), at=100)
    first = {row.decision_id: row for row in published(vault.take(batch))}
    with vault.stage._store._database.begin() as connection:  # type: ignore[union-attr]
        connection.exec_driver_sql("DELETE FROM gnomon_decisions WHERE decision_id = 'd-00003'")

    with beside(vault) as other:
        other.take(batch[:10])
        other.take(batch[10:])

    assert sum(parts) == 41
    now = stored(vault)
    assert {name for name in now if now[name] != first[name]} == {"d-00003"}
    assert verify(vault) == []


def test_metrics_before_the_decisions_do_not_say_where_those_began(
    vault: Vault, ends_after: Any
) -> None:
    mixed = [*ledgers(5_000, 15), *read(some(0, 20), at=100)]
    ends_after(3, committed=False)
    with pytest.raises(StoreUnavailableError):
        vault.take(mixed)
    with beside(vault) as other:
        found = published(other.take(mixed))
    assert {row.decision_id: row for row in found} == stored(vault)
    assert len(found) == 20
    assert verify(vault) == []


def test_what_is_committed_is_counted_once(
    vault: Vault, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts before one that fails are not counted again when the batch is repeated, here or elsewhere."""
    batch = read(some(0, 40), at=100)
    upsert = DecisionStore.upsert

    def refuse_third(self: DecisionStore, rows: Any, **beside: Any) -> None:
        if len(parts) == 2:
            raise StoreUnavailableError("gone")
        upsert(self, rows, **beside)

    with monkeypatch.context() as patched:
        patched.setattr(DecisionStore, "upsert", refuse_third)
        with pytest.raises(StoreUnavailableError):
            vault.take(batch)
    assert counted(vault) == (20, 20)

    vault.take(batch)
    assert counted(vault) == (40, 40)
    vault.take(batch)
    assert counted(vault) == (40, 40)
    with beside(vault) as other:
        other.take(batch)
        assert counted(other) == (0, 0)


def counted(vault: Vault) -> tuple[float, float]:
    """How many decisions the vault's metrics say were sealed, and of how many they have the age."""
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(vault.metrics.exposition()[0].decode())
        for sample in family.samples
    }
    return values["gnomon_vault_sealed_total"], values.get("gnomon_end_to_end_seconds_count", 0)

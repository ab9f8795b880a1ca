"""Tests of both databases: what is stored is read back unchanged."""

import dataclasses
import multiprocessing
import traceback
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.errors import ConfigurationError, EventError
from gnomon.events import SealedDecision
from gnomon.store import DecisionStore, Summary
from gnomon.vault import KeyRow

ROW = KeyRow(
    kid="ab" * 16,
    scope="default",
    wrapped=bytes(range(60)),
    commitment=bytes(32),
    kek_id="cd" * 16,
    state="active",
    created_at_ms=1_760_000_000_000,
)


def sealed(
    number: int, *, ended_at_ms: int | None = None, body: bytes = b"\0\xff"
) -> SealedDecision:
    return SealedDecision(
        decision_id=f"d-{number:05}",
        key_id="ab" * 16,
        sealed=body,
        status="matched",
        started_at_ms=number,
        ended_at_ms=1_000 + number if ended_at_ms is None else ended_at_ms,
    )


def test_a_decision_comes_back(store: DecisionStore) -> None:
    every_byte = sealed(1, body=bytes(range(256)))
    store.upsert([every_byte, sealed(2, ended_at_ms=253_402_300_799_999)])
    assert store.get("d-00001") == every_byte
    assert store.get("d-00002") == sealed(2, ended_at_ms=253_402_300_799_999)
    assert store.get("d-00003") is None
    assert store.count() == 2


def test_the_same_batch_again_changes_nothing(store: DecisionStore) -> None:
    batch = [sealed(n) for n in range(50)]
    store.upsert(batch)
    store.upsert(batch)
    assert list(store.iter_sealed()) == batch


def test_a_later_row_of_the_same_id_takes_its_place(store: DecisionStore) -> None:
    store.upsert([sealed(1), sealed(2)])
    later = msgspec.structs.replace(
        sealed(1, ended_at_ms=9_000, body=b"later"), status="expired", key_id="ef" * 16
    )
    store.upsert([later])
    assert list(store.iter_sealed()) == [sealed(2), later]


def test_of_one_id_twice_in_a_batch_the_last_stays(store: DecisionStore) -> None:
    store.upsert([sealed(1, body=b"first"), sealed(2), sealed(1, body=b"last")])
    assert [row.sealed for row in store.iter_sealed()] == [b"last", b"\0\xff"]


def test_an_empty_batch_is_nothing(store: DecisionStore) -> None:
    store.upsert([])
    assert store.count() == 0
    assert list(store.iter_sealed()) == []
    assert store.recent(5) == []


def test_a_batch_is_stored_whole_or_not_at_all(store: DecisionStore) -> None:
    broken = msgspec.structs.replace(sealed(2), key_id="of-this-row", sealed=None)
    with pytest.raises(EventError) as refused:
        store.upsert([sealed(1), broken, sealed(3)])
    assert store.count() == 0
    if store.name.startswith("sqlite"):  # PostgreSQL's own text quotes the row
        assert "of-this-row" not in "".join(traceback.format_exception(refused.value))


# The table is emptied by hand for each example.
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ends=st.lists(st.integers(0, 12), max_size=30),
    batch=st.integers(1, 7),
    after_ms=st.none() | st.integers(-1, 13),
)
def test_a_walk_meets_each_decision_once_in_order(
    store: DecisionStore, ends: list[int], batch: int, after_ms: int | None
) -> None:
    rows = [sealed(n, ended_at_ms=end) for n, end in enumerate(ends)]
    with store._database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM gnomon_decisions")
    store.upsert(rows)
    expected = sorted(
        (row for row in rows if after_ms is None or row.ended_at_ms > after_ms),
        key=attrgetter("ended_at_ms", "decision_id"),
    )
    assert list(store.iter_sealed(after_ms=after_ms, batch=batch)) == expected
    newest_first = store.iter_sealed(after_ms=after_ms, batch=batch, order="newest")
    assert list(newest_first) == expected[::-1]
    assert (
        store.recent(4)
        == sorted(rows, key=attrgetter("ended_at_ms", "decision_id"), reverse=True)[:4]
    )


def test_a_walk_goes_on_while_others_write(store: DecisionStore) -> None:
    store.upsert([sealed(n) for n in range(10)])
    walk = store.iter_sealed(batch=3)
    met = [next(walk)]
    store.upsert([sealed(n) for n in range(10, 14)])
    assert [row.decision_id for row in [*met, *walk]] == [f"d-{n:05}" for n in range(14)]


def test_keys_come_back(store: DecisionStore) -> None:
    store.keys.put(ROW)
    store.keys.put(dataclasses.replace(ROW, kid="cd" * 16))
    assert store.keys.get("ab" * 16) == ROW
    assert store.keys.get("ef" * 16) is None
    assert store.keys.count() == 2


def test_the_first_canary_stays(store: DecisionStore) -> None:
    assert store.canary.get() is None
    assert store.canary.put_if_absent(b"first") == b"first"
    assert store.canary.put_if_absent(b"second") == b"first"
    assert store.canary.get() == b"first"


def test_a_summary_counts(store: DecisionStore) -> None:
    assert store.summary() == Summary(
        decisions=0,
        by_status={},
        sealed_bytes=0,
        first_ended_at_ms=None,
        last_ended_at_ms=None,
        keys=0,
    )
    expired = msgspec.structs.replace(sealed(3, body=b"12345"), status="expired")
    store.upsert([sealed(1), sealed(2), expired])
    store.keys.put(ROW)
    assert store.summary() == Summary(
        decisions=3,
        by_status={"expired": 1, "matched": 2},
        sealed_bytes=9,
        first_ended_at_ms=1_001,
        last_ended_at_ms=1_003,
        keys=1,
    )


def test_to_look_makes_nothing(url: str) -> None:
    store = DecisionStore(url)
    assert not store.exists()
    with pytest.raises(ConfigurationError, match=r"no decisions in .* yet"):
        store.check()
    assert not store.exists()
    store.create()
    store.check()
    assert store.exists()
    store.close()


def test_to_create_again_keeps_what_is_there(store: DecisionStore) -> None:
    store.upsert([sealed(1)])
    store.create()
    assert store.count() == 1


def _create(url: str) -> str:
    store = DecisionStore(url)
    try:
        store.create()
        store.check()
    finally:
        store.close()
    return "made"


def _write(url: str, first: int) -> str:
    store = DecisionStore(url)
    try:
        for batch in range(5):
            numbers = range(first + 40 * batch, first + 40 * batch + 60)
            store.upsert([sealed(n) for n in reversed(numbers)])
    finally:
        store.close()
    return "written"


def test_several_processes_create_and_write_at_once(url: str) -> None:
    """The writers' ids overlap, so on PostgreSQL they wait for each other's rows."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.map(_create, [url] * 6, chunksize=1)
        written = pool.starmap(_write, [(url, 0), (url, 100), (url, 50)], chunksize=1)
    assert (made, written) == (["made"] * 6, ["written"] * 3)
    store = DecisionStore(url)
    assert [row.decision_id for row in store.iter_sealed()] == [f"d-{n:05}" for n in range(320)]
    store.close()


def test_threads_share_a_store(store: DecisionStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.upsert([sealed(n), sealed(n + 1)]), range(40)))
    assert store.count() == 41


def test_a_forked_child_can_write(store: DecisionStore) -> None:
    store.upsert([sealed(1)])
    child = multiprocessing.get_context("fork").Process(target=store.upsert, args=([sealed(2)],))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    store.upsert([sealed(3)])
    assert [row.decision_id for row in store.iter_sealed()] == ["d-00001", "d-00002", "d-00003"]

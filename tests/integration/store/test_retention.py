"""Tests of deletion by age, and of the holds that forbid it."""

from collections.abc import Iterator

import pytest
from tests.integration.store.test_moving import figures
from tests.integration.store.test_store import sealed
from tests.support.stores.earlier import KEY

from gnomon.errors import ConfigurationError
from gnomon.store import DecisionStore
from gnomon.store.opening import roots_of_commands
from gnomon.vault import KeyRing
from gnomon.vault.providers.local import from_text

NOW_MS = 50_000


@pytest.fixture(autouse=True)
def decisions(store: DecisionStore) -> None:
    """Twenty, which ended at 1,000 ms and every millisecond after it."""
    stored = [sealed(number) for number in range(20)]
    store.upsert(stored, figures=[figures(each) for each in stored])


def rows(store: DecisionStore, table: str) -> int:
    with store.database.begin() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {table}")  # noqa: S608  ours
        return int(found.scalar_one())


def pruned(store: DecisionStore, before_ms: int, *, scope: str | None = None) -> int:
    return sum(steps(store, before_ms, scope=scope))


def steps(store: DecisionStore, before_ms: int, *, scope: str | None = None) -> Iterator[int]:
    ring = KeyRing(from_text(KEY, name="k"), store.keys)
    return store.retention.prune(
        before_ms=before_ms,
        scope=scope,
        now_ms=NOW_MS,
        roots=roots_of_commands(ring, store),
        at_once=4,
    )


def held(store: DecisionStore, *, scope: str = "*", until_ms: int = NOW_MS + 1) -> str:
    made = store.retention.hold(
        scope=scope, until_ms=until_ms, reason="case 4711", made_by="me", now_ms=7
    )
    return made.id


@pytest.mark.parametrize(("before_ms", "left"), [(1_000, 20), (1_011, 9), (1_012, 8), (9_999, 0)])
def test_what_is_older_goes_with_its_numbers(
    store: DecisionStore, before_ms: int, left: int
) -> None:
    assert pruned(store, before_ms) == 20 - left
    assert [row.ended_at_ms for row in store.iter_sealed()] == list(range(1_020 - left, 1_020))
    assert rows(store, "gnomon_tasks") == left
    assert rows(store, "gnomon_predictions") == 2 * left
    assert pruned(store, before_ms) == 0


def test_a_hold_forbids_it(store: DecisionStore) -> None:
    hold_id = held(store)
    with pytest.raises(ConfigurationError, match=f"hold {hold_id} keeps .* case 4711"):
        pruned(store, 1_010)
    assert store.count() == 20
    assert pruned(store, 1_000) == 0  # nothing that is held is so old
    assert store.retention.release(hold_id)
    assert not store.retention.release(hold_id)
    assert pruned(store, 1_010) == 10


def test_a_hold_ends(store: DecisionStore) -> None:
    held(store, until_ms=NOW_MS)
    assert len(store.retention.holds()) == 1
    assert store.retention.holds(now_ms=NOW_MS) == []
    assert pruned(store, 1_010) == 10


def test_a_hold_that_comes_meanwhile_stops_it(store: DecisionStore) -> None:
    running = steps(store, 9_999)
    assert next(running) == 4
    held(store)
    with pytest.raises(ConfigurationError, match="case 4711"):
        next(running)
    assert store.count() == 16


def test_the_numbers_of_a_scope_go_at_once(store: DecisionStore) -> None:
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE gnomon_tasks SET scope = 't' WHERE ended_at_ms < 1005")
        connection.exec_driver_sql(
            "UPDATE gnomon_predictions SET scope = 't' WHERE ended_at_ms < 1005"
        )
    assert store.figures.forget_scope("t") == 5
    assert store.figures.forget_scope("t") == 0
    assert (rows(store, "gnomon_tasks"), rows(store, "gnomon_predictions")) == (15, 30)

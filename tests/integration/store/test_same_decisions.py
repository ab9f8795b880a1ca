"""Several processes that store the same decisions at once on PostgreSQL."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread

import pytest
from sqlalchemy import Connection, create_engine, text
from tests.integration.store.test_store import sealed
from tests.support.polling import eventually_sync

from gnomon.store import DecisionStore, decisions


def test_two_that_repeat_decisions_of_a_third_do_not_deadlock(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first does not see what the third stores; the second locks it, and needs a row of the first."""
    stores = [repeating(postgres_url), repeating(postgres_url), DecisionStore(postgres_url)]
    first_looked, second_looked = Event(), Event()
    ends_of = decisions.ends_of

    def looking(connection: Connection, ids: Sequence[str]) -> list[tuple[int, str]]:
        found = ends_of(connection, ids)
        if current_thread().name.endswith("_0"):
            first_looked.set()
            until(lambda: second_looked.is_set() or somebody_waits(postgres_url))
        else:
            second_looked.set()
            until(lambda: somebody_waits(postgres_url) or stored(postgres_url) == 3)
        return found

    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(decisions, "ends_of", looking)
        first = pool.submit(stores[0].upsert, [sealed(1), sealed(2)])
        assert first_looked.wait(20)
        stores[2].upsert([sealed(2)])
        second = pool.submit(stores[1].upsert, [sealed(1), sealed(2)])
        first.result(60)
        second.result(60)
    assert stored(postgres_url) == 3
    for store in stores:
        store.close()


def repeating(url: str) -> DecisionStore:
    """Return a store that looks for the decisions of its next batch, because it knew those of its last."""
    store = DecisionStore(url)
    store.create()
    for _ in range(2):
        store.upsert([sealed(0)])
    return store


def until(condition: Callable[[], bool]) -> None:
    eventually_sync(condition, timeout_s=20, what="the other goes on or waits")


def somebody_waits(url: str) -> bool:
    """Return whether a transaction waits for another."""
    return _number(url, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0


def stored(url: str) -> int:
    """Return the number of decisions."""
    return _number(url, "SELECT count(*) FROM gnomon_decisions")


def _number(url: str, query: str) -> int:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found: int = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return found

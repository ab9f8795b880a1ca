"""Fixtures: a store on SQLite and on PostgreSQL, the latter on a private server of this session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.servers.postgres import new_database, postgres

from gnomon.store import DecisionStore


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server without the database's name."""
    with postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty database."""
    return new_database(postgres_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a store that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/not/there/store.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(url: str) -> Iterator[DecisionStore]:
    """A store with its tables."""
    store = DecisionStore(url)
    store.create()
    yield store
    store.close()

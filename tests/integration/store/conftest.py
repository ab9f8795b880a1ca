"""Fixtures: a store and a vault stage on SQLite and on PostgreSQL, the latter on a server of this session."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.servers.postgres import new_database, postgres
from tests.support.vaults import started

from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.vault import create_key_file


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


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """Settings of a vault stage with a key of its own."""
    create_key_file(tmp_path / "kek.key")
    return Settings(data_dir=str(tmp_path), store_url=url)


@pytest.fixture
async def vault(settings: Settings) -> AsyncIterator[VaultStage]:
    """A started stage."""
    async with started(settings) as stage:
        yield stage

"""Fixtures of tests of the whole vault: those of the store, and a vault that has stored something."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.store.conftest import postgres_server, postgres_url, url
from tests.support.vaults import Vault, read, some

from gnomon.store import DecisionStore

__all__ = ["postgres_server", "postgres_url", "url"]


@pytest.fixture
def vault(url: str, tmp_path: Path) -> Iterator[Vault]:
    """A vault stage on an empty store."""
    with Vault(url, tmp_path) as vault:
        yield vault


@pytest.fixture
def store(vault: Vault) -> Iterator[DecisionStore]:
    """Two partitions, three hours, five batches: 0 to 99 and 200 to 249 in the first hour."""
    vault.take(read(some(0, 60)))
    vault.take(read(some(60, 40) + some(100, 60, hour=1), at=60))
    vault.take(read(some(200, 50), partition=1))
    vault.take(read(some(160, 40, hour=1), at=160))
    vault.take(read(some(300, 30, hour=2), at=200))
    store = DecisionStore(vault.settings.store_url)
    yield store
    store.close()

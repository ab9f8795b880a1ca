"""Fixtures: a store with three tenants' decisions, its key and its scope keys in a folder each."""

import itertools
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.store.conftest import postgres_server, postgres_url  # noqa: F401  fixtures
from tests.support.decisions import a_decision
from tests.support.servers.postgres import new_database

from gnomon.errors import UnreadableError
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.vault import check_key, create_key_file, open_decision, seal_decision

EACH = 4
"""Decisions of each scope."""
SCOPES = ("default", "tenant:acme", "tenant:birch")


@dataclass(frozen=True)
class Vault:
    """A store in use.

    ``settings`` are those of its workers: the data in one place, scope keys in another, the key in a third.
    """

    settings: Settings
    folder: Path

    def open(self) -> DecisionStore:
        return DecisionStore(self.settings.store_url)

    def seal(self, numbers: Sequence[int], scope: str) -> None:
        """Seal as a worker would that has just been started."""
        with closing(self.open()) as store:
            ring = open_ring(self.settings, store)
            rows = [seal_decision(ring, a_decision(number), scope=scope) for number in numbers]
            store.upsert(rows, keys=ring.rows_of(row.key_id for row in rows))

    def readable(self, settings: Settings | None = None) -> dict[str, list[str]]:
        """What a fresh process reads: by scope, ``opens`` or the reason why not."""
        found: dict[str, list[str]] = {}
        given = settings or self.settings
        with closing(DecisionStore(given.store_url)) as store:
            ring = open_ring(given, store)
            for row in store.iter_sealed():
                try:
                    open_decision(ring, row)
                except UnreadableError as error:
                    found.setdefault(row.scope, []).append(error.reason)
                else:
                    found.setdefault(row.scope, []).append("opens")
        return found

    def with_store(self, url: str, **changes: Any) -> Settings:
        """The same keys for another store."""
        return replace(self.settings, store_url=url, **changes)


def all_open(*scopes: str) -> dict[str, list[str]]:
    return {scope: ["opens"] * EACH for scope in scopes}


ON_BOTH = pytest.mark.parametrize("vault", ["sqlite", "postgresql"], indirect=True)
"""For tests of what depends on the database; the others use SQLite."""


@pytest.fixture
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    create_key_file(tmp_path / "key" / "kek.key")
    if getattr(request, "param", "sqlite") == "sqlite":
        store, scopes = f"sqlite:///{tmp_path}/data/store.db", f"sqlite:///{tmp_path}/scopes.db"
    else:
        server = request.getfixturevalue("postgres_server")
        store, scopes = new_database(server), new_database(server)
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        store_url=store,
        scope_keys_url=scopes,
        scope_by="tenant",
        key_file=str(tmp_path / "key" / "kek.key"),
        brokers="127.0.0.1:1",
    )
    made = Vault(settings, tmp_path)
    with closing(made.open()) as opened:
        opened.create()
        check_key(open_ring(settings, opened), opened.canary)
    numbers = itertools.count()
    for scope in SCOPES:
        made.seal([next(numbers) for _ in range(EACH)], scope)
    return made


@pytest.fixture
def command(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``gnomon keys …`` on the vault, in this process."""
    from gnomon.cli import main  # noqa: PLC0415

    for name, value in vault.settings.as_environ().items():
        if name.startswith(("GNOMON_", "VAULT_")):
            monkeypatch.setenv(name, value)
    return lambda *words: main(["keys", *words])


def copied(url: str, to: Path) -> str:
    """Copy the file of an SQLite database as a backup would; return the copy's URL."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(url.removeprefix("sqlite:///"), to)
    return f"sqlite:///{to}"

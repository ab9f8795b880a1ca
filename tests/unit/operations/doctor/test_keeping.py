"""Tests of what is said about key, store and registry."""

from pathlib import Path

import pytest

from gnomon.errors import ConfigurationError
from gnomon.models.registry.versions import LiveVersion, VersionInfo
from gnomon.operations.doctor import keeping
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, create_key_file, load_key

NOBODY = "postgresql://u:hunter2@127.0.0.1:9/gnomon"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


def test_a_key_is_missing_then_found_then_open_to_all(settings: Settings) -> None:
    (missing,) = keeping.key(settings)
    create_key_file(Path(settings.key_file))
    (found,) = keeping.key(settings)
    Path(settings.key_file).chmod(0o666)
    (open_to_all,) = keeping.key(settings)

    assert (missing.level, found.level, open_to_all.level) == ("problem", "ok", "problem")
    assert "gnomon keys init" in missing.remedy


def test_a_store_that_is_not_there_yet_is_fine(settings: Settings) -> None:
    (found,) = keeping.store(settings)
    assert found.level == "ok"
    assert not Path(settings.data_dir, "store.db").exists()


def test_a_store_says_whether_the_key_opens_it(settings: Settings) -> None:
    create_key_file(Path(settings.key_file))
    store = DecisionStore(settings.store_url)
    store.create()
    (empty,) = keeping.store(settings)
    check_key(KeyRing(load_key(settings), store.keys), store.canary)
    store.close()
    (opens,) = keeping.store(settings)
    Path(settings.key_file).unlink()
    create_key_file(Path(settings.key_file))
    (other,) = keeping.store(settings)

    assert (empty.level, opens.level, other.level) == ("ok", "ok", "problem")
    assert "GNOMON_KEY_FILE" in other.remedy


def test_a_store_that_does_not_answer_is_a_problem() -> None:
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
    (found,) = keeping.store(Settings(store_url=NOBODY))

    assert found.level == "problem"
    assert "GNOMON_STORE_URL" in found.remedy
    assert "hunter2" not in found.found


def test_a_store_of_another_version_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_self: DecisionStore) -> None:
        raise ConfigurationError("tables of version 99")

    monkeypatch.setattr(DecisionStore, "exists", lambda _self: True)
    monkeypatch.setattr(DecisionStore, "check", refuses)
    (found,) = keeping.store(settings)

    assert (found.level, found.found) == ("problem", "tables of version 99")


def test_a_registry_without_a_version_is_fine(settings: Settings) -> None:
    (found,) = keeping.registry(settings)
    assert found.level == "ok"
    assert "gnomon train" in found.found


def test_a_registry_that_is_no_database_is_a_problem(settings: Settings) -> None:
    Path(settings.data_dir, "mlflow.db").write_bytes(b"no database at all" * 100)
    (found,) = keeping.registry(settings)

    assert found.level == "problem"
    assert "GNOMON_MLFLOW_URI" in found.remedy


class Versions:
    """A registry with one version."""

    name = "gnomon"

    def __init__(self, *aliases: str) -> None:
        self._aliases = aliases

    def versions(self) -> list[VersionInfo]:
        return [
            VersionInfo(
                name=self.name, version="7", aliases=self._aliases, sha256=None, author=None,
                created_at_ms=0, metrics={},
            )
        ]  # fmt: skip

    def live(self) -> list[LiveVersion]:
        found = LiveVersion(name=self.name, version="7", aliases=self._aliases, sha256=None)
        return [found] if self._aliases else []


@pytest.mark.parametrize(("aliases", "level"), [((), "note"), (("champion",), "ok")])
def test_a_registry_says_what_is_live(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, aliases: tuple[str, ...], level: str
) -> None:
    monkeypatch.setattr(
        "gnomon.models.registry.reading.open_reader", lambda **_: Versions(*aliases)
    )
    (found,) = keeping.registry(settings)

    assert found.level == level
    assert ("gnomon models promote" in found.remedy) == (level == "note")


def test_nothing_is_made_by_looking(settings: Settings) -> None:
    for check in (keeping.key, keeping.store, keeping.registry):
        list(check(settings))
    assert list(Path(settings.data_dir).iterdir()) == []

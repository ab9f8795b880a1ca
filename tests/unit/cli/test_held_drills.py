"""``gnomon drill security`` and ``record`` as they are typed."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.decisions import a_decision

from gnomon.cli import main
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, create_key_file, seal_decision

Captured = pytest.CaptureFixture[str]
HELD = {
    "private_key": True, "opens": True, "hidden": True, "changed_byte": True, "moved": True,
    "other_key": True,
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecisionStore:
    """A store with three sealed decisions, and its key."""
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=str(tmp_path))
    key = create_key_file(Path(settings.key_file))
    store = DecisionStore(settings.store_url)
    store.create()
    ring = KeyRing(key, store.keys)
    store.upsert([seal_decision(ring, a_decision(n)) for n in range(3)])
    return store


def kept(folder: Path, name: str = "security") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "drills" / name / "report.json").read_bytes())
    return read


def test_what_is_sealed_passes(store: DecisionStore, tmp_path: Path, capsys: Captured) -> None:
    assert main(["drill", "security", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == kept(tmp_path)
    assert (report["drill"], report["passed"], report["decisions"]) == ("security", True, 3)
    assert report["checks"] == HELD


def test_a_decision_that_does_not_open_fails(
    store: DecisionStore, tmp_path: Path, capsys: Captured
) -> None:
    (row,) = [each for each in store.recent(9) if each.decision_id == "d-00001"]
    store.upsert(
        [msgspec.structs.replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1]))]
    )
    assert main(["drill", "security"]) == 1
    assert kept(tmp_path)["checks"] == {**HELD, "opens": False}
    assert "opens         DOES NOT HOLD" in capsys.readouterr().out


def test_a_store_without_decisions_shows_nothing(store: DecisionStore, tmp_path: Path) -> None:
    Path(tmp_path / "store.db").unlink()
    fresh = DecisionStore(Settings(data_dir=str(tmp_path)).store_url)
    fresh.create()
    assert main(["drill", "security"]) == 1
    assert kept(tmp_path)["decisions"] == 0


def test_a_key_that_others_may_read_fails_and_is_noted(
    store: DecisionStore, tmp_path: Path, capsys: Captured
) -> None:
    Path(Settings(data_dir=str(tmp_path)).key_file).chmod(0o644)
    assert main(["drill", "security"]) == 1
    assert kept(tmp_path)["checks"] == {"private_key": False}
    assert "so that everyone may use it" in capsys.readouterr().err


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_drill_that_people_held_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    assert main(["drill", "record", "alert", f"--{outcome}", "--note", "pager of Ada"]) == 0
    report = kept(tmp_path, "alert")
    assert (report["drill"], report["note"]) == ("alert", "pager of Ada")
    assert report["passed"] is (outcome == "passed")
    assert report["at_ms"] > 1_700_000_000_000


@pytest.mark.parametrize("name", ["../x", "", "Alert", "a/b", "rollback", "security", "x" * 65])
def test_names_that_are_no_folder_or_are_measured_are_refused(name: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "record", name, "--passed"])
    assert ended.value.code == 2
    assert "expected small letters" in capsys.readouterr().err


def test_an_outcome_must_be_given() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "record", "alert"])
    assert ended.value.code == 2

"""Tests of ``gnomon vault list, count, hash, export, import, prune, hold`` as they are typed."""

import asyncio
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision
from tests.support.kafka.topic_in_memory import Record

from gnomon import codec
from gnomon.cli import main
from gnomon.cli.vaults import retaining
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.vault import create_key_file

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with five decisions of two agents, written by the stage."""
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL", "GNOMON_QUERY_IDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    create_key_file(tmp_path / "kek.key")
    asyncio.run(fill(Settings(data_dir=str(tmp_path))))
    return tmp_path


async def fill(settings: Settings) -> None:
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    made = [msgspec.structs.replace(a_decision(n), agent_id=f"agent-{n % 2}") for n in range(5)]
    await stage.apply(None, [Record(n, codec.encode(each)) for n, each in enumerate(made)])
    await stage.stop()


def said(capsys: Said, *arguments: str, status: int = 0) -> str:
    assert main(["vault", *arguments]) == status
    return capsys.readouterr().out


def ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_list_and_count_what_is_chosen(capsys: Said) -> None:
    period = ("--since", "2025-10-09T08:53:20.001", "--until", "2025-10-09T08:53:20.003Z")
    assert ids(said(capsys, "list", *period)) == ["d-00002", "d-00001"]
    assert said(capsys, "count", *period) == "2\n"
    assert said(capsys, "count", "--status", "expired") == "0\n"
    assert said(capsys, "count") == "5\n"


def test_list_of_an_agent(capsys: Said) -> None:
    assert ids(said(capsys, "list", "--agent", "agent-1")) == ["d-00003", "d-00001"]
    assert said(capsys, "list", "--agent", "nobody") == ""


def test_the_hash_of_a_name(capsys: Said, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = said(capsys, "hash", "agent-1")
    assert len(printed.strip()) == 16
    assert printed == said(capsys, "hash", "agent-1") != said(capsys, "hash", "agent-0")
    monkeypatch.setenv("GNOMON_QUERY_IDS", "clear")
    assert said(capsys, "hash", "agent-1") == "agent-1\n"


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01"])
def test_a_time_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["vault", "count", "--since", wrong])
    assert ended.value.code == 2


def test_export_and_import_into_an_empty_store(
    capsys: Said, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "export"
    (folder / "kek.key").rename(folder / "kept.key")  # an export needs none
    assert "exported 5 decisions" in said(capsys, "export", "--to", str(target), "--reason", "x")
    monkeypatch.setenv("GNOMON_STORE_URL", f"sqlite:///{folder}/other.db")
    assert main(["vault", "import", str(target)]) == 2
    assert "no key" in capsys.readouterr().err
    assert not (folder / "other.db").exists()
    (folder / "kept.key").rename(folder / "kek.key")  # seals roots over what is imported
    assert "imported 3 decisions" in said(
        capsys, "import", str(target), "--since", "2025-10-09T08:53:20.002Z"
    )
    assert said(capsys, "count") == "3\n"
    assert '"agent-0"' in said(capsys, "read", "d-00002")
    assert ids(said(capsys, "list", "--agent", "agent-1")) == ["d-00003"]


def test_an_import_of_nothing_is_one_line_and_makes_no_store(
    capsys: Said, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_STORE_URL", f"sqlite:///{folder}/other.db")
    assert main(["vault", "import", str(folder / "none")]) != 0
    assert "has no manifest.json" in capsys.readouterr().err
    assert not (folder / "other.db").exists()


def test_prune_and_holds(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, ...]] = []
    assert "would delete 5 decisions" in said(capsys, "prune", "--older-than", "1d", "--dry-run")
    hold = said(capsys, "hold", "--until", "2999-01-01", "--reason", "case 4711").split()[1]
    assert "case 4711" in said(capsys, "holds")
    assert main(["vault", "prune", "--older-than", "1d"]) != 0
    assert f"gnomon vault release {hold}" in capsys.readouterr().err
    assert said(capsys, "count") == "5\n"
    assert "released" in said(capsys, "release", hold)
    assert "does not exist" in said(capsys, "release", hold, status=1)
    assert "deleted 0 decisions" in said(capsys, "prune", "--older-than", "36500d")
    with monkeypatch.context() as patched:
        patched.setattr(retaining, "progress", lambda: nullcontext(lambda *each: told.append(each)))
        assert "deleted 5 decisions" in said(capsys, "prune", "--older-than", "12h")
    assert told[0] == ("deleting", 0, 5)
    assert told[-1] == ("deleting", 5, 5)
    assert said(capsys, "count") == "0\n"


@pytest.mark.parametrize("wrong", ["0d", "x", "12", "1w"])
def test_a_period_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["vault", "prune", "--older-than", wrong])
    assert ended.value.code == 2

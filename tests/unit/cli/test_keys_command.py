"""Tests of ``gnomon keys`` as it is typed."""

import stat
from pathlib import Path

import pytest

from gnomon.cli import main
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, load_sealing_key


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    return tmp_path


def first_use(folder: Path) -> None:
    settings = Settings(data_dir=str(folder))
    store = DecisionStore(settings.store_url)
    store.create()
    check_key(KeyRing(load_key(settings), store.keys), store.canary)
    store.close()


def test_init_makes_a_private_key_and_says_what_to_back_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init"]) == 0
    said = capsys.readouterr().out
    key = (folder / "kek.key").read_text().strip()
    assert stat.S_IMODE((folder / "kek.key").stat().st_mode) == 0o600
    assert str(folder / "kek.key") in said
    assert "Back it up" in said
    assert key not in said


def test_init_never_overwrites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "init"])
    before = (folder / "kek.key").read_bytes()
    assert main(["keys", "init"]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (folder / "kek.key").read_bytes() == before


def test_init_elsewhere_says_how_to_use_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init", "--file", str(folder / "other.key")]) == 0
    assert f"GNOMON_KEY_FILE={folder / 'other.key'}" in capsys.readouterr().out
    assert not (folder / "kek.key").exists()


def test_init_says_when_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNOMON_KEY", "A" * 43 + "=")
    assert main(["keys", "init"]) == 0
    said = capsys.readouterr().out
    assert "GNOMON_KEY is set and is used instead of any key file" in said
    assert "AAAA" not in said


def test_check_without_a_key_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "check"]) == 2
    assert "gnomon keys init" in capsys.readouterr().err


def test_check_before_there_is_a_store_makes_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["keys", "init"])
    assert main(["keys", "check"]) == 0
    assert "does not exist yet" in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["kek.key"]


def test_check_before_first_use_seals_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["keys", "init"])
    store = DecisionStore(f"sqlite:///{folder}/store.db")
    store.create()
    assert main(["keys", "check"]) == 0
    assert "contains no sealed record yet" in capsys.readouterr().out
    assert store.canary.get() is None
    store.close()


def test_check_with_the_right_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "init"])
    first_use(folder)
    assert main(["keys", "check"]) == 0
    assert "opens with this key" in capsys.readouterr().out


def test_check_with_the_wrong_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "init"])
    first_use(folder)
    (folder / "kek.key").rename(folder / "lost.key")
    main(["keys", "init"])
    assert main(["keys", "check"]) == 2
    assert "this key does not open this store" in capsys.readouterr().err


def test_init_sealing_prints_the_public_key_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init-sealing"]) == 0
    said = capsys.readouterr()
    key = load_sealing_key(folder / "sealing.pem")
    assert said.out == f"{key.public.line()}\n"
    assert key.id in said.err
    assert "back it up" in said.err
    secret = (folder / "sealing.pem").read_text().splitlines()[1]
    assert secret not in said.out + said.err
    assert stat.S_IMODE((folder / "sealing.pem").stat().st_mode) == 0o600


def test_init_sealing_never_overwrites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "init-sealing", "--file", str(folder / "k")]) == 0
    before = (folder / "k").read_bytes()
    capsys.readouterr()
    assert main(["keys", "init-sealing", "--file", str(folder / "k")]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (folder / "k").read_bytes() == before


def test_init_sealing_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "init-sealing", "--help"])
    assert ended.value.code == 0
    assert "example: export GNOMON_SEAL_TO=$(gnomon keys init-sealing" in capsys.readouterr().out

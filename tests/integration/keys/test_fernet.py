"""Fernet tokens of before are imported: what an independent writer encrypted opens from the vault."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from tests.support.decisions import a_decision

from gnomon import codec
from gnomon.cli import main
from gnomon.store import DecisionStore
from gnomon.vault import create_key_file

Said = pytest.CaptureFixture[str]
PLAN = {
    "agent_id": "writer",
    "task": "t-1",
    "timestamp": 1_760_000_000,
    "decision": {"merge": True},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GNOMON_BROKERS", "127.0.0.1:1")
    create_key_file(tmp_path / "kek.key")
    return tmp_path


def key_file(home: Path, *keys: bytes, mode: int = 0o600) -> str:
    path = home / "fernet.key"
    path.write_bytes(b"\n".join(keys) + b"\n")
    path.chmod(mode)
    return str(path)


def imported(home: Path, tokens: list[bytes], keys: str) -> int:
    (home / "tokens").write_bytes(b"\n".join(tokens) + b"\n")
    return main(["vault", "import", "--fernet", keys, str(home / "tokens"), "--reason", "move"])


def read(home: Path, wanted: str, capsys: Said) -> dict[str, object]:
    capsys.readouterr()
    assert main(["vault", "read", wanted, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_tokens_of_the_founding_plan_and_of_gnomons_own_form(home: Path, capsys: Said) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    tokens = [
        Fernet(old).encrypt_at_time(json.dumps(PLAN).encode(), 1_760_000_100),
        MultiFernet([Fernet(new), Fernet(old)]).encrypt(codec.encode(a_decision(7))),
    ]
    keys = key_file(home, new, old)
    assert imported(home, tokens, keys) == 0
    assert imported(home, tokens, keys) == 0, "again, with the same ids"
    with closing(DecisionStore(f"sqlite:///{home}/store.db")) as store:
        assert store.count() == 2
        assert store.audit.recent(1)[0].action == "imported"

    legacy = read(home, "t-1", capsys)
    assert (legacy["agent_id"], legacy["started_at_ms"]) == ("writer", 1_760_000_000_000)
    assert legacy["outcome"]["at_ms"] == 1_760_000_100_000  # type: ignore[index]
    assert json.loads(legacy["context"]["legacy"]) == PLAN  # type: ignore[index]
    assert read(home, "d-00007", capsys) == json.loads(codec.encode(a_decision(7)))


def test_what_does_not_open_is_named_by_its_line_and_the_rest_is_imported(
    home: Path, capsys: Said
) -> None:
    key = Fernet.generate_key()
    good = Fernet(key).encrypt(b'{"task_id": "t-2"}')
    tokens = [
        good,
        Fernet(Fernet.generate_key()).encrypt(b"{}"),
        good[:-7] + b"AAAAA==",
        b"no token",
        Fernet(key).encrypt(b"[1, 2]"),
        Fernet(key).encrypt(b"\xff"),
    ]
    assert imported(home, tokens, key_file(home, key)) == 1
    said = capsys.readouterr()
    assert "imported 1 decisions" in said.out
    assert [line.split(":")[1].strip() for line in said.err.splitlines()] == [
        f"line {number}" for number in (2, 3, 4, 5, 6)
    ]


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_key_file_readable_by_others_is_refused(home: Path, mode: int, capsys: Said) -> None:
    keys = key_file(home, Fernet.generate_key(), mode=mode)
    assert imported(home, [], keys) == 2
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"short", b"A" * 44])
def test_a_malformed_key_is_one_line(home: Path, content: bytes, capsys: Said) -> None:
    assert imported(home, [], key_file(home, content)) == 2
    assert "Fernet keys" in capsys.readouterr().err

"""Tests of ``gnomon vault`` as it is typed."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision

from gnomon import codec
from gnomon.cli import main
from gnomon.sealing import SealContext
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import (
    KeyRing,
    check_key,
    create_key_file,
    create_sealing_key,
    load_key,
    load_sealing_key,
    seal_decision,
)

MARKER = "payroll-of-the-board"
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def vault(folder: Path) -> Path:
    """Store five decisions: two on a task called ``t``, and the bytes of the fourth are broken."""
    create_key_file(folder / "kek.key")
    settings = Settings(data_dir=str(folder))
    store = DecisionStore(settings.store_url)
    store.create()
    ring = KeyRing(load_key(settings), store.keys)
    check_key(ring, store.canary)
    tasks = ["t", "t", "u", "v", "w"]
    rows = [
        seal_decision(ring, a_decision(n, note=MARKER, task_id=task))
        for n, task in enumerate(tasks)
    ]
    broken = rows[3].sealed[:-1] + bytes([rows[3].sealed[-1] ^ 1])
    rows[3] = msgspec.structs.replace(rows[3], sealed=broken)
    store.upsert(rows)
    store.close()
    return folder


def test_list_shows_the_newest_and_nothing_inside(vault: Path, capsys: Said) -> None:
    (vault / "kek.key").unlink()  # not needed
    assert main(["vault", "list", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "d-00004  matched    2025-10-09T08:51:50.004+00:00  2025-10-09T08:53:20.004+00:00",
        "d-00003  matched    2025-10-09T08:51:50.003+00:00  2025-10-09T08:53:20.003+00:00",
    ]


def test_list_as_json(vault: Path, capsys: Said) -> None:
    assert main(["vault", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["decision_id"] for row in rows] == [f"d-0000{n}" for n in (4, 3, 2, 1, 0)]
    assert set(rows[0]) == {
        "decision_id",
        "status",
        "started_at_ms",
        "ended_at_ms",
        "key_id",
        "scope",
    }
    assert rows[0]["ended_at_ms"] == 1_760_000_000_004


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_list_refuses_a_limit_that_is_none(limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["vault", "list", "--limit", limit])
    assert ended.value.code == 2


def test_read_by_decision_id_is_pretty(vault: Path, capsys: Said) -> None:
    assert main(["vault", "read", "d-00002"]) == 0
    said = capsys.readouterr().out
    assert codec.decode_comparison(said.encode()) == a_decision(2, note=MARKER, task_id="u")
    assert f'\n  "context": {{\n    "note": "{MARKER}"\n' in said


def test_read_as_json_is_one_line(vault: Path, capsys: Said) -> None:
    assert main(["vault", "read", "d-00002", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["task_id"] == "u"


def test_read_by_task_id_finds_the_newest_past_a_broken_one(vault: Path, capsys: Said) -> None:
    assert main(["vault", "read", "t"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["decision_id"] == "d-00001"
    assert "1 newer decisions could not be opened" in said.err


def test_read_of_nothing_known(vault: Path, capsys: Said) -> None:
    assert main(["vault", "read", "nobody"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "no decision or task 'nobody'" in said.err


def test_read_of_a_broken_one(vault: Path, capsys: Said) -> None:
    assert main(["vault", "read", "d-00003"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("gnomon: tampered")


def test_read_with_the_wrong_key(vault: Path, capsys: Said) -> None:
    (vault / "kek.key").unlink()
    create_key_file(vault / "kek.key")
    assert main(["vault", "read", "d-00002"]) == 2
    assert "this key does not open this store" in capsys.readouterr().err


def test_read_without_a_key(vault: Path, capsys: Said) -> None:
    (vault / "kek.key").unlink()
    assert main(["vault", "read", "d-00002"]) == 2
    assert "gnomon keys init" in capsys.readouterr().err


def test_stats(vault: Path, capsys: Said) -> None:
    assert main(["vault", "stats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [
        "decisions  5",
        "  matched  5",
        "ended      2025-10-09T08:53:20.000+00:00 to 2025-10-09T08:53:20.004+00:00",
    ]
    assert lines[5] == "keys       2"  # one of them sealed the canary


@pytest.mark.parametrize("action", [["list"], ["stats"], ["read", "d-00001"]], ids=str)
def test_without_a_store(folder: Path, capsys: Said, action: list[str]) -> None:
    assert main(["vault", *action]) == 2
    assert "run gnomon worker vault" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.fixture
def confidential(vault: Path) -> Path:
    """One more decision, ``d-00009``, whose context and outcome its agent sealed."""
    key = create_sealing_key(vault / "sealing.pem")
    decision = a_decision(9)

    def sealed(field: str, said: str) -> bytes:
        place = SealContext(agent_id=decision.agent_id, task_id=decision.task_id, field=field)
        return key.public.seal({field: said}, place)

    outcome = msgspec.structs.replace(decision.outcome, sealed_outcome=sealed("outcome", "good"))
    decision = msgspec.structs.replace(
        decision, context={}, sealed_context=sealed("context", MARKER), outcome=outcome
    )
    settings = Settings(data_dir=str(vault))
    store = DecisionStore(settings.store_url)
    ring = KeyRing(load_key(settings), store.keys)
    store.upsert([seal_decision(ring, decision)])
    store.close()
    return vault


def test_read_says_what_an_agent_sealed_and_for_which_key(confidential: Path, capsys: Said) -> None:
    assert main(["vault", "read", "d-00009"]) == 0
    said = capsys.readouterr()
    named = load_sealing_key(confidential / "sealing.pem").id
    assert said.err.splitlines() == [
        f"gnomon: the {field} is sealed for key {named}; to read it: --sealing-key FILE"
        for field in ("context", "outcome")
    ]
    shown = codec.decode_comparison(said.out.encode())
    assert shown.context == shown.outcome.reported == {}
    assert shown.sealed_context is not None
    assert MARKER not in said.out


def test_read_opens_it_with_the_sealing_key(confidential: Path, capsys: Said) -> None:
    create_sealing_key(confidential / "other.pem")
    keys = [confidential / "other.pem", confidential / "sealing.pem"]
    arguments = [part for key in keys for part in ("--sealing-key", str(key))]
    assert main(["vault", "read", "d-00009", "--json", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    shown = json.loads(said.out)
    assert shown["context"] == {"context": MARKER}
    assert shown["outcome"]["reported"] == {"outcome": "good"}
    assert shown["sealed_context"] is shown["outcome"]["sealed_outcome"] is None


def test_read_with_another_sealing_key_names_the_right_one(
    confidential: Path, capsys: Said
) -> None:
    create_sealing_key(confidential / "other.pem")
    named = load_sealing_key(confidential / "sealing.pem").id
    key = str(confidential / "other.pem")
    assert main(["vault", "read", "d-00009", "--sealing-key", key]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"unknown_key: the context is sealed for key {named}" in said.err


def test_read_with_a_missing_sealing_key(confidential: Path, capsys: Said) -> None:
    assert main(["vault", "read", "d-00009", "--sealing-key", str(confidential / "none")]) == 2
    assert "gnomon keys init-sealing" in capsys.readouterr().err


def test_read_takes_a_sealing_key_where_nothing_is_sealed(confidential: Path, capsys: Said) -> None:
    key = str(confidential / "sealing.pem")
    assert main(["vault", "read", "d-00002", "--sealing-key", key]) == 0
    shown = codec.decode_comparison(capsys.readouterr().out.encode())
    assert shown == a_decision(2, note=MARKER, task_id="u")

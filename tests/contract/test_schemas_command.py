"""``gnomon schemas``: what it writes, what it refuses, and the status it ends with."""

import json
import shutil
from pathlib import Path

import pytest
from tests.contract.contract_files import SCHEMAS, TAGS

from gnomon.cli import main


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The contract's folder in a working directory of its own."""
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "schemas"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_contract_as_committed_holds(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schemas", "check"]) == 0
    assert "schemas/released/" in capsys.readouterr().out
    assert checkout.is_dir()


def test_export_writes_what_is_committed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "anew"
    assert main(["schemas", "export", "--out", str(out)]) == 0
    names = {f"{tag}.schema.json" for tag in TAGS} | {"asyncapi.json"}
    assert {path.name for path in out.iterdir()} == names
    assert all((out / name).read_bytes() == (SCHEMAS / name).read_bytes() for name in names)
    assert len(capsys.readouterr().out.splitlines()) == len(names)


def test_every_drift_is_named(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(checkout / "ledger.v1.schema.json", '"title": "Ledger"', '"title":  "Ledger"')
    (checkout / "prediction.v1.schema.json").unlink()
    shutil.copy(checkout / "ledger.v1.schema.json", checkout / "ledger.v0.schema.json")
    edit(checkout / "asyncapi.json", '"partitions": ', '"partitions": 1')
    assert main(["schemas", "check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "drift: schemas/ledger.v1.schema.json: differs from the event classes",
        "drift: schemas/asyncapi.json: differs from the event classes",
        "drift: schemas/prediction.v1.schema.json: missing",
        "drift: schemas/ledger.v0.schema.json: no event has this tag",
        "run: gnomon schemas export, and commit what it writes",
    ]


def test_a_break_with_the_newest_release_is_named(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Versions are compared as numbers: 0.10.0 is newer than any 0.x before it."""
    newest = checkout / "released" / "0.10.0"
    shutil.copytree(checkout / "released" / "0.1.0", newest)
    schema = json.loads((newest / "task_started.v1.schema.json").read_text())
    schema["properties"]["priority"] = {"type": "integer", "default": 0}
    (newest / "task_started.v1.schema.json").write_text(json.dumps(schema))
    (newest / "task_paused.v1.schema.json").write_text("{}")
    assert main(["schemas", "check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "break: task_paused.v1.schema.json: removed or renamed: a new reader refuses old records",
        "break: task_started.v1: priority: removed or renamed:"
        " old and new readers understand one record differently",
    ]


def test_against_another_folder_only_breaks_count(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    released = checkout / "released" / "0.1.0"
    (checkout / "ledger.v1.schema.json").unlink()
    assert main(["schemas", "check", "--against", str(released)]) == 0
    edit(released / "prediction.v1.schema.json", '"minimum": 1', '"minimum": 0')
    capsys.readouterr()
    assert main(["schemas", "check", "--against", str(released)]) == 1
    assert capsys.readouterr().err == (
        "break: prediction.v1: predictors: minimum 0 became 1: a new reader refuses old records\n"
    )


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_what_is_no_contract_is_a_wrong_use(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger.v1.schema.json").write_text(content)
    assert main(["schemas", "check", "--against", str(tmp_path)]) == 2
    assert "ledger.v1.schema.json" in capsys.readouterr().err


def test_an_asyncapi_document_without_channels_is_a_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asyncapi.json").write_text("{}")
    assert main(["schemas", "check", "--against", str(tmp_path)]) == 2
    assert "asyncapi.json is no contract" in capsys.readouterr().err


def test_an_empty_folder_is_a_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "check", "--against", str(tmp_path)]) == 2
    assert "holds no" in capsys.readouterr().err


def test_a_release_not_named_by_a_version_is_a_wrong_use(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "released" / "latest").mkdir()
    assert main(["schemas", "check"]) == 2
    assert "latest" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["schemas", "export", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot write" in capsys.readouterr().err

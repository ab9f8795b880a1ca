"""Tests of ``gnomon vault prove``: a proof holds without store and key, and no changed one does."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.vaults import Vault, read, some

from gnomon.cli.main import main

Said = pytest.CaptureFixture[str]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault in which an hour has five lists."""
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    with Vault(f"sqlite:///{tmp_path}/store.db", tmp_path) as made:
        for first in range(0, 50, 10):
            made.take(read(some(first, 10), at=first))
        yield made


@pytest.fixture
def proof(vault: Vault, tmp_path: Path, capsys: Said) -> Path:
    assert main(["vault", "prove", "d-00023"]) == 0
    path = tmp_path / "proof.json"
    path.write_text(capsys.readouterr().out)
    return path


def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at things from a machine that has neither the store nor a key."""
    monkeypatch.setenv("GNOMON_DATA_DIR", str(folder / "elsewhere"))


def test_a_proof_holds_without_store_and_key(
    proof: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "roots.jsonl"
    assert main(["vault", "verify", "--store-only", "--save-root", str(kept)]) == 0
    elsewhere(tmp_path, monkeypatch)
    capsys.readouterr()
    assert main(["vault", "prove", "--check", str(proof), "--root", str(kept)]) == 0
    assert "decision d-00023 is under the root of partition 0, 2025-10-09T08Z: " in (
        capsys.readouterr().out
    )
    assert main(["vault", "prove", "--check", str(proof)]) == 0
    assert "give --root FILE" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_a_proof_is_for_the_roots_that_were_kept(
    vault: Vault, tmp_path: Path, capsys: Said
) -> None:
    kept, later = tmp_path / "roots.jsonl", tmp_path / "later.json"
    assert main(["vault", "verify", "--store-only", "--save-root", str(kept)]) == 0
    vault.take(read(some(50, 10), at=50))
    capsys.readouterr()
    assert main(["vault", "prove", "d-00023"]) == 0
    later.write_text(capsys.readouterr().out)
    assert main(["vault", "prove", "--check", str(later), "--root", str(kept)]) == 1
    assert f"{kept} has another root of this hour" in capsys.readouterr().out
    assert main(["vault", "prove", "d-00023", "--root", str(kept)]) == 0
    later.write_text(capsys.readouterr().out)
    assert main(["vault", "prove", "--check", str(later), "--root", str(kept)]) == 0
    assert main(["vault", "prove", "d-00055", "--root", str(kept)]) == 2
    assert "it was stored later" in capsys.readouterr().err


def _flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(data).decode()


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "ciphertext": lambda p: p["decision"].update(sealed=_flip(p["decision"]["sealed"])),
    "status": lambda p: p["decision"].update(status="expired"),
    "end": lambda p: p["decision"].update(ended_at_ms=p["decision"]["ended_at_ms"] + 1),
    "id": lambda p: p["decision"].update(decision_id="d-00024"),
    "hashes": lambda p: p.update(hashes=_flip(p["hashes"])),
    "ids": lambda p: p.update(ids=""),
    "place of the list": lambda p: p.update(number=p["number"] + 1),
    "records before": lambda p: p.update(position=p["position"] + 1),
    "path": lambda p: p["path"].__setitem__(0, _flip(p["path"][0])),
    "short path": lambda p: p["path"].pop(),
    "root": lambda p: p["root"].update(root="0" * 64),
    "no root": lambda p: p["root"].update(root="x" * 64),
    "hour": lambda p: p["root"].update(hour=p["root"]["hour"] + 1),
    "number of lists": lambda p: p["root"].update(lists=p["root"]["lists"] + 4),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_changed_proof_proves_nothing(proof: Path, capsys: Said, changed: str) -> None:
    plain = json.loads(proof.read_text())
    CHANGES[changed](plain)
    proof.write_text(json.dumps(plain))
    assert main(["vault", "prove", "--check", str(proof)]) == 1
    assert "is not proved to be under" in capsys.readouterr().out


def test_what_cannot_be_proved_is_told(vault: Vault, tmp_path: Path, capsys: Said) -> None:
    assert main(["vault", "prove", "d-99999"]) == 2
    assert "no decision 'd-99999'" in capsys.readouterr().err
    (tmp_path / "no-proof").write_text("{}")
    assert main(["vault", "prove", "--check", str(tmp_path / "no-proof")]) == 2
    assert "is no proof of gnomon vault prove" in capsys.readouterr().err
    assert main(["vault", "prove", "--check", "nowhere"]) == 2
    assert "cannot read nowhere" in capsys.readouterr().err

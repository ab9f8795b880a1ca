"""``gnomon verdict --verify`` recomputes a verdict and names what differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.verdict.files import held, judged, shuffle, written
from tests.unit.verdict.build import simulated

from gnomon.cli import main

Captured = pytest.CaptureFixture[str]


def test_a_verdict_can_be_verified(folder: Path, capsys: Captured) -> None:
    rows = list(simulated(ratio=0.6))
    drills = held(folder / "drills.jsonl", rows[0].started_at_ms)
    path = written(folder / "c.jsonl", rows)
    judged(path, "--drills", str(drills), status=0)
    out = str(path.with_suffix(".out.json"))
    shuffle(rows)
    verify = ["verdict", "--comparisons", str(written(path, rows)), "--verify", out]
    assert main(verify) == 0
    assert "the same" in capsys.readouterr().out

    read = json.loads(Path(out).read_text())
    low = read["models"][0]["criteria"]["improvement"]["low"]
    read["models"][0]["criteria"]["improvement"]["low"] = 0.99
    Path(out).write_text(json.dumps(read))
    assert main(verify) == 1
    said = capsys.readouterr().out
    assert f"models[0].criteria.improvement.low is 0.99, recomputed {low}" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda read: read["settings"].update(delta=0.1), "models[0]"),
        (lambda read: read.update(settings_sha256="0" * 64), "settings_sha256"),
        (lambda read: read["models"].clear(), "models is 0 entries"),
        (lambda read: read["models"][0]["against"].pop("control"), "control is only in the recomp"),
        (lambda read: read["models"][0].update(extra=1), "models[0].extra is only in the file"),
        (lambda read: read.update(records=7), "records is 7"),
    ],
)
def test_what_was_tampered_with_is_named(
    folder: Path, capsys: Captured, change: Any, named: str
) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6))
    read = judged(path)
    change(read)
    out = path.with_suffix(".out.json")
    out.write_text(json.dumps(read))
    assert main(["verdict", "--comparisons", str(path), "--verify", str(out)]) == 1
    assert named in capsys.readouterr().out


def test_a_decision_left_out_is_noticed(folder: Path, capsys: Captured) -> None:
    rows = simulated(ratio=0.6)
    path = written(folder / "c.jsonl", rows)
    judged(path)
    written(path, rows[1:])
    out = str(path.with_suffix(".out.json"))
    assert main(["verdict", "--comparisons", str(path), "--verify", out]) == 1
    assert "differs" in capsys.readouterr().out


def test_what_cannot_be_verified(folder: Path, capsys: Captured) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6, hours=2, agents=2))
    out = folder / "out.json"
    out.write_text('{"models": []}')
    assert main(["verdict", "--comparisons", str(path), "--verify", str(out)]) == 2
    assert "no verdict" in capsys.readouterr().err

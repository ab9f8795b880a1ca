"""``gnomon verdict`` as it is typed."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.unit.cli.verdict.files import DRILLS, held, judged, shuffle, written
from tests.unit.verdict.build import (
    comparison,
    control,
    decided,
    gathered,
    model,
    simulated,
    with_rule,
)

from gnomon import codec
from gnomon.cli import main
from gnomon.cli.verdicts.comparisons_log import gather
from gnomon.events import Comparison
from gnomon.replay.replayed import ReplayedDecision, ReplayedPrediction
from gnomon.verdict import Decided, VerdictSettings, with_newest_only

Captured = pytest.CaptureFixture[str]
STATUSES = (0, 3, 4, 5)


CRITERIA = (
    "improvement", "simple_rules", "seconds", "brier", "accuracy", "decisions", "blocks",
    "active_hours", "unresolved", "answered", "drills",
)  # fmt: skip
BOUNDED = {"passed", "estimate", "low", "high", "needed"}


def test_the_form_is_that_of_the_contract(folder: Path) -> None:
    """Every field that readers of the JSON rely on."""
    rows = with_rule(simulated(ratio=0.6), "same-type", like="control", noise=0.5)
    drills = held(folder / "drills.jsonl", rows[0].started_at_ms)
    out = judged(written(folder / "c.jsonl", rows), "--drills", str(drills), status=0)
    assert set(out) == {
        "models", "settings_sha256", "settings", "window", "newest", "now_ms", "watermark_ms",
        "records", "repeats", "drills",
    }  # fmt: skip
    assert out["settings_sha256"] == VerdictSettings().sha256()
    (found,) = out["models"]
    assert {
        "name", "version", "sha256", "word", "decisions", "blocks", "active_hours", "blocked_by",
        "criteria", "against", "strongest", "correlation", "agents", "immature", "expired",
        "cancelled", "within_25", "decides_in_hours", "harm", "first_ms", "last_ms", "checklist",
        "drift", "harmed_types",
    } == set(found)  # fmt: skip
    assert (found["name"], found["version"], found["sha256"]) == ("m", "1", "ab" * 32)
    assert (found["word"], found["blocked_by"]) == ("GO", [])
    assert 1000 < found["decisions"] <= 1500
    assert tuple(found["criteria"]) == CRITERIA
    assert all(set(each) >= BOUNDED for each in found["criteria"].values())
    assert found["criteria"]["drills"]["missing"] == []
    assert set(found["against"]) == {"control", "same-type"}
    for by_loss in found["against"].values():
        assert set(by_loss) == {"log_loss", "seconds", "brier"}
        for each in by_loss.values():
            assert {"estimate", "low", "high", "agents_like_these", "worst", "best"} <= set(each)
            assert set(each["agents_like_these"]) == {"estimate", "low", "high"}
    assert [set(item) for item in found["checklist"]] == [
        {"name", "status", "figure", "needed", "unit", "todo"}
    ] * 9
    assert set(found["drift"]) == {"word", "training_rows", "rows", "features", "changes"}


@pytest.mark.parametrize(
    ("ratio", "status", "word"), [(0.6, 3, "CONTINUE"), (0.97, 4, "NO-GO"), (1.6, 5, "STOP-HARM")]
)
def test_the_exit_status_tells_the_word(
    folder: Path, capsys: Captured, ratio: float, status: int, word: str
) -> None:
    out = judged(written(folder / "c.jsonl", simulated(ratio=ratio)), status=status)
    assert out["models"][0]["word"] == word
    assert word in capsys.readouterr().out


def test_any_order_and_repeats_give_the_same_bytes(folder: Path) -> None:
    rows = list(simulated(ratio=0.7, hours=26, agents=4))
    path = written(folder / "c.jsonl", rows)
    judged(path)
    first = path.with_suffix(".out.json").read_bytes()
    again = [*rows, *rows[:100]]
    shuffle(again)
    out = judged(written(path, again))
    assert out["repeats"] == 100
    second = path.with_suffix(".out.json").read_bytes()
    assert second.replace(b'"repeats": 100', b'"repeats": 0') == first


def test_lines_of_one_decision_that_differ_count_once_in_any_order(folder: Path) -> None:
    one = decided(1, control(1.0), model(2.0), actual_s=5.0)
    other = decided(1, control(1.0), model(2.0), actual_s=7.0, hour=3)
    found = [
        gather(written(folder / "c.jsonl", rows), VerdictSettings(mature_after_s=0))
        for rows in ([one, other], [other, one], [one, other, one])
    ]
    assert len({each.evidence.encode() for each in found}) == 1
    assert [each.records for each in found] == [1, 1, 1]


def test_predictions_of_a_replay_are_no_evidence(folder: Path, capsys: Captured) -> None:
    """They are perfect here, and of the same decisions."""
    rows = simulated(ratio=0.9)[:300]
    live = written(folder / "live.jsonl", rows)
    expected = judged(live)
    perfect = [
        ReplayedDecision(
            decision_id=row.decision_id,
            agent_id=row.agent_id,
            task_id="t",
            task_type="review",
            started_at_ms=row.started_at_ms,
            predictions=[
                ReplayedPrediction(
                    model="m",
                    version="1",
                    sha256="ab" * 32,
                    unseen=True,
                    duration_s=row.duration_s,
                    success_probability=1.0,
                    parts={},
                    intervals=None,
                )
            ],
            outcome=comparison(row).outcome,
        )
        for row in rows
    ]
    mixed = folder / "mixed.jsonl"
    lines = [codec.encode(each) for each in perfect] + live.read_bytes().splitlines()
    mixed.write_bytes(b"\n".join(lines) + b"\n")
    capsys.readouterr()

    assert judged(mixed) == expected
    assert "300 lines of a replay are left out" in capsys.readouterr().err
    only = folder / "only.jsonl"
    only.write_bytes(b"\n".join(lines[:300]) + b"\n")
    assert judged(only)["models"] == []


def test_what_does_not_fit_into_memory_is_sorted_on_disk(folder: Path) -> None:
    rows = list(simulated(ratio=0.7, hours=10, agents=5))
    shuffle(rows)
    path, settings = written(folder / "c.jsonl", rows), VerdictSettings(mature_after_s=0)
    for keep_bytes in (3_000, 50_000, 1 << 30):
        found = gather(path, settings, keep_bytes=keep_bytes)
        expected = gathered(rows, settings)
        expected.closed_before_hour = found.evidence.closed_before_hour
        assert found.evidence.encode() == expected.encode()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(folder: Path) -> None:
    """Twelve times as many decisions of as many agents: more in the sorts, up to their limit."""
    rows = simulated(ratio=0.7, hours=30, agents=10)
    lines = [codec.encode(comparison(row)).decode() for row in rows]
    path = folder / "c.jsonl"
    code = (
        "import resource, sys, pathlib\n"
        "from gnomon.cli.verdicts.comparisons_log import gather\n"
        "from gnomon.verdict import VerdictSettings\n"
        "gather(pathlib.Path(sys.argv[1]), VerdictSettings(), keep_bytes=1 << 20)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    used = []
    for times in (3, 36):
        with path.open("w") as file:
            for k in range(times):
                file.writelines(
                    line.replace('"decision_id":"', f'"decision_id":"{k:x}-') + "\n"
                    for line in lines
                )
        done = subprocess.run(  # noqa: S603  this interpreter
            [sys.executable, "-c", code, str(path)], capture_output=True, check=True, env=os.environ
        )
        used.append(int(done.stdout) * (1 if sys.platform == "darwin" else 1024))
    assert used[1] - used[0] < 8 << 20 < path.stat().st_size


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"kind": "prediction.v1"}', "\xff", '{"kind":"comparison.v1","decision_id":"1"}'],
)
def test_a_malformed_line_is_named(folder: Path, capsys: Captured, line: str) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.7, hours=2, agents=2)[:3])
    with path.open("a", encoding="latin-1") as file:
        file.write(f"\n{line}\n")
    assert main(["verdict", "--comparisons", str(path)]) == 2
    assert f"{path}, line 5: no comparison.v1" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_has_no_model(folder: Path, capsys: Captured, text: str) -> None:
    path = folder / "c.jsonl"
    path.write_text(text)
    out = judged(path)
    assert out["models"] == []
    assert "no model has predicted" in capsys.readouterr().out


def test_a_file_that_is_not_there(folder: Path, capsys: Captured) -> None:
    assert main(["verdict", "--comparisons", str(folder / "none.jsonl")]) == 2
    assert "none.jsonl: No such file" in capsys.readouterr().err


def test_settings_and_their_hash(folder: Path, capsys: Captured) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6))
    rules = folder / "settings.json"
    rules.write_text('{"delta": 0.1, "drills": []}')
    out = judged(path, "--settings", str(rules), status=0)
    assert out["settings"]["delta"] == 0.1
    assert out["settings_sha256"] == VerdictSettings(delta=0.1, drills=()).sha256()
    rules.write_text('{"detla": 0.1}')
    assert main(["verdict", "--comparisons", str(path), "--settings", str(rules)]) == 2
    assert "detla" in capsys.readouterr().err


def test_drills_of_the_data_folder_count(folder: Path) -> None:
    rows = simulated(ratio=0.6)
    path = written(folder / "c.jsonl", rows)
    for name in DRILLS:
        place = folder / "data" / "drills" / name / "report.json"
        place.parent.mkdir(parents=True)
        report = {"drill": name, "at_ms": rows[0].started_at_ms, "passed": True, "rounds": 3}
        place.write_text(json.dumps(report, indent=2))
    assert judged(path, status=0)["models"][0]["word"] == "GO"
    out = judged(path, "--now", "2030-01-01")
    assert out["models"][0]["criteria"]["drills"]["missing"] == list(DRILLS)


@pytest.mark.parametrize("text", ["", "{", '{"drill": "alert"}', '[{"drill": 3}]', "{}\n{}"])
def test_drills_that_are_none(folder: Path, capsys: Captured, text: str) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6, hours=2, agents=2))
    drills = folder / "drills.json"
    drills.write_text(text)
    assert main(["verdict", "--comparisons", str(path), "--drills", str(drills)]) == 2
    assert "drills.json: no report of a drill" in capsys.readouterr().err


def two_versions(rows: Sequence[Decided]) -> list[Decided]:
    """Version 10 from the second half on, beside version 9."""
    found = []
    for index, row in enumerate(rows):
        said = row.predictions[1]
        old = msgspec.structs.replace(said, version="9", sha256="9" * 64, duration_s=1e6)
        new = msgspec.structs.replace(said, version="10", sha256="1" * 64)
        both = (new, old) if index >= len(rows) // 2 else (old,)
        found.append(msgspec.structs.replace(row, predictions=(row.predictions[0], *both)))
    return found


def test_the_newest_version_at_each_task_as_one_model(folder: Path) -> None:
    rows = two_versions(simulated(ratio=0.6, hours=4))
    assert with_newest_only(rows[0]).predictions[1].duration_s == 1e6
    assert with_newest_only(rows[-1]).predictions[1].duration_s != 1e6
    path = written(folder / "c.jsonl", rows)
    assert [(m["version"], m["decisions"]) for m in judged(path)["models"]] == [
        ("9", 182), ("10", 82),
    ]  # fmt: skip
    (newest,) = judged(path, "--newest")["models"]
    assert (newest["name"], newest["version"], newest["decisions"]) == ("m", "newest", 182)
    assert newest["sha256"] is None


def test_one_of_many_models_decides(folder: Path, capsys: Captured) -> None:
    rules = folder / "settings.json"
    rules.write_text('{"drills": [], "mature_after_s": 0, "min_decisions": 700}')
    path = written(folder / "c.jsonl", two_versions(simulated(ratio=0.6, hours=60)))
    use = ["--settings", str(rules)]
    judged(path, *use, status=0)
    judged(path, *use, "--model", "m@10", status=0)
    capsys.readouterr()
    judged(path, *use, "--model", "m@9", status=5)
    assert "m      9" in capsys.readouterr().out
    assert main(["verdict", "--comparisons", str(path), "--model", "x"]) == 2
    assert "expected one of m@9, m@10" in capsys.readouterr().err


def of_types(rows: Sequence[Decided], harmed: str) -> list[Comparison]:
    """Tasks of four types in turn; the model says two and a half times too much of one."""
    made = []
    for number, row in enumerate(rows):
        whole = comparison(row)
        task_type = ("code", "deploy", "review", "test")[number % 4]
        predictions = [
            msgspec.structs.replace(p, duration_s=(p.duration_s or 0.0) * 2.5)
            if p.model == "m" and task_type == harmed
            else p
            for p in whole.predictions
        ]
        made.append(msgspec.structs.replace(whole, task_type=task_type, predictions=predictions))
    return made


def test_a_task_type_that_is_harmed_is_named(folder: Path, capsys: Captured) -> None:
    rows = simulated(ratio=0.3, hours=40)
    path = folder / "c.jsonl"
    for harmed, named in (("deploy", ["deploy"]), ("none", [])):
        lines = [codec.encode(each) for each in of_types(rows, harmed)]
        path.write_bytes(b"\n".join(lines))
        assert (
            main(["verdict", "--comparisons", str(path), "--json", str(folder / "v")]) in STATUSES
        )
        (found,) = json.loads((folder / "v").read_text())["models"]
        assert [each["task_type"] for each in found["harmed_types"]] == named
        assert ("HARM: task type deploy" in capsys.readouterr().out) is bool(named)
        assert found["harm"] == []
        if named:
            (one,) = found["harmed_types"]
            assert set(one) == {"task_type", "blocks", "improvement", "e_value"}
            assert one["blocks"] <= 400
            assert one["improvement"] < 0
            assert one["e_value"] > 80
            assert found["drift"]["word"] == "alarm"


def test_names_do_not_command_the_terminal(folder: Path, capsys: Captured) -> None:
    rows = [decided(n, control(1.0), model(1.0, name="\x1b[2Jm", version="\x07")) for n in range(3)]
    judged(written(folder / "c.jsonl", rows))
    assert not set("\x1b\x07") & set(capsys.readouterr().out)


def test_it_tells_how_far_each_step_is(folder: Path) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6))
    told: dict[str, list[tuple[int, int | None]]] = {}

    gather(
        path,
        VerdictSettings(),
        on_progress=lambda what, done, total: told.setdefault(what, []).append((done, total)),
    )

    assert list(told) == ["reading c.jsonl, MB", "sorting decisions", "judging decisions"]
    assert told["reading c.jsonl, MB"][0] == (0, -(-path.stat().st_size // (1 << 20)))
    for step in ("sorting decisions", "judging decisions"):
        assert told[step][-1] == (1500, 1500)


def test_a_terminal_shows_the_progress_and_a_pipe_does_not(folder: Path) -> None:
    path = written(folder / "c.jsonl", simulated(ratio=0.6))
    command = [sys.executable, "-m", "gnomon", "verdict", "--comparisons", str(path)]
    ours, theirs = pty.openpty()
    for stderr in (theirs, subprocess.PIPE):
        done = subprocess.run(  # noqa: S603  this interpreter
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False, timeout=50,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        assert done.returncode == 3
        assert "CONTINUE" in done.stdout
    os.close(theirs)
    assert "decisions" in os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.stderr == ""

"""``gnomon verdict`` on files of anyone: what is missing, repeated, foreign, or cut off."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.verdict.files import judged
from tests.unit.verdict.build import comparison, simulated

from gnomon import codec
from gnomon.cli import main

Row = dict[str, Any]
Changed = Callable[[int, Row], None]
BOUNDS = {"estimate", "low", "high"}
MODEL = {
    "name", "version", "sha256", "word", "decisions", "blocks", "active_hours", "blocked_by",
    "criteria", "against",
}  # fmt: skip


def rows() -> list[Row]:
    """Control and a model that is much better, on 1,500 tasks."""
    return [json.loads(codec.encode(comparison(row))) for row in simulated(ratio=0.6)]


def said(row: Row, model: str) -> Row:
    (found,) = [each for each in row["predictions"] if each["model"] == model]
    return dict(found)


def changed(folder: Path, change: Changed, *, ending: str = "\n") -> Path:
    path, lines = folder / "c.jsonl", []
    for number, row in enumerate(rows()):
        change(number, row)
        lines.append(json.dumps(row) + ending)
    path.write_bytes("".join(lines).encode())
    return path


def without(*models: str) -> Changed:
    def change(_: int, row: Row) -> None:
        row["predictions"] = [each for each in row["predictions"] if each["model"] not in models]

    return change


def silent(model: str, *, every: int = 1) -> Changed:
    def change(number: int, row: Row) -> None:
        for each in row["predictions"]:
            if each["model"] == model and number % every == 0:
                each.update(duration_s=None, success_probability=None)

    return change


def alone(_: int, row: Row) -> None:
    row["agent_id"] = "only"


def foreign_fields(_: int, row: Row) -> None:
    row["new"], row["outcome"]["new"], row["predictions"][0]["new"] = {"a": [1]}, "x", None


def least_fields(_: int, row: Row) -> None:
    """Only what the schema requires."""
    for name in ("context", "estimate_s", "tenant", "traceparent", "sealed_context"):
        row.pop(name, None)
    row["features"], row["completeness"] = {}, {}
    kept = ("model", "version", "duration_s", "success_probability")
    row["predictions"] = [{name: each[name] for name in kept} for each in row["predictions"]]
    ended = ("status", "at_ms", "duration_s", "succeeded")
    row["outcome"] = {name: row["outcome"][name] for name in ended}


def twice(_: int, row: Row) -> None:
    row["predictions"].append(said(row, "m"))


def no_end(_: int, row: Row) -> None:
    row["outcome"].update(duration_s=None, succeeded=None)


def nothing(_: int, row: Row) -> None:
    return None


BLOCKED: list[tuple[Changed, set[str]]] = [
    (nothing, set()),
    (foreign_fields, set()),
    (least_fields, set()),
    (twice, set()),
    (alone, set()),
    (silent("m", every=3), {"answered"}),
    (silent("m"), {"answered", "decisions", "improvement", "seconds", "accuracy"}),
    (silent("control"), {"answered", "improvement", "seconds", "brier"}),
    (without("control"), {"answered", "improvement", "seconds", "brier"}),
    (no_end, {"decisions", "improvement", "accuracy", "unresolved"}),
]


@pytest.mark.parametrize(("change", "blocked"), BLOCKED)
def test_whatever_is_missing_the_form_stays_and_what_blocks_is_named(
    folder: Path, change: Changed, blocked: set[str]
) -> None:
    (found,) = judged(changed(folder, change))["models"]

    assert set(found) >= MODEL
    assert found["word"] == "CONTINUE"
    assert set(found["blocked_by"]) >= blocked | {"drills"}
    assert blocked or found["blocked_by"] == ["drills"]
    assert all({"passed", "needed"} | BOUNDS <= set(each) for each in found["criteria"].values())
    for by_loss in found["against"].values():
        assert all(set(each) >= BOUNDS for each in by_loss.values())


@pytest.mark.parametrize("change", [without("m"), without("m", "control")])
def test_without_a_model_there_is_nothing_to_judge(folder: Path, change: Changed) -> None:
    assert judged(changed(folder, change))["models"] == []


def test_one_decision_decides_nothing(folder: Path) -> None:
    path = folder / "c.jsonl"
    path.write_text(json.dumps(rows()[0]))
    (found,) = judged(path)["models"]
    assert (found["word"], found["decisions"], found["active_hours"]) == ("CONTINUE", 0, 0)


def test_every_model_is_judged_by_itself(folder: Path) -> None:
    """Eleven versions; the tenth says what control says."""

    def more(_: int, row: Row) -> None:
        best, simple = said(row, "m"), said(row, "control")
        row["predictions"] += [
            best | {"version": f"{n}", "sha256": f"{n:064x}"} for n in range(2, 12)
        ]
        row["predictions"][10] |= {
            name: simple[name] for name in ("duration_s", "success_probability")
        }

    found = judged(changed(folder, more))["models"]

    assert [each["version"] for each in found] == [str(n) for n in range(1, 12)]
    assert [each["version"] for each in found if each["word"] == "NO-GO"] == ["10"]


def test_marks_of_other_editors_change_nothing(folder: Path) -> None:
    """A byte order mark, and lines that end as on Windows."""
    expected = judged(changed(folder, nothing))
    path = changed(folder, nothing, ending="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert judged(path) == expected


def test_half_a_last_line_is_named_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is still being written, or was cut off: what is missing could be the bad news."""
    path, out = changed(folder, nothing), folder / "out.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: -len(whole.splitlines()[-1]) // 2])

    assert main(["verdict", "--comparisons", str(path), "--json", str(out)]) == 2

    assert (
        f"{path}, line 1500: no comparison.v1: Input data was truncated" in capsys.readouterr().err
    )
    assert not out.exists()

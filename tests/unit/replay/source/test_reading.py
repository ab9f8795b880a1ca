"""Recorded runs are checked line by line before anything is published."""

from dataclasses import replace
from pathlib import Path

import pytest

from gnomon.replay.source import BadInputError, Columns, Run, read_runs

HEAD = "run_id,agent_id,task_type,started_at,finished_at,success,instruction_chars\n"
GOOD = "r1,a/b,build,2025-07-11T19:11:55.399Z,2025-07-11T19:12:55.400Z,True,120\n"
EXAMPLE = Path(__file__).parents[4] / "examples" / "agent_runs.csv"


def read(tmp_path: Path, text: str, columns: Columns | None = None) -> list[Run]:
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return read_runs(path, columns or Columns())


def test_a_run_becomes_a_start_and_a_finish(tmp_path: Path) -> None:
    (run,) = read(tmp_path, HEAD + GOOD)

    assert run.started.started_at_ms == 1_752_261_115_399
    assert run.started.context == {"instruction_chars": 120}
    assert run.finished is not None
    assert run.finished.finished_at_ms == 1_752_261_175_400
    assert run.finished.duration_s == 60.001
    assert run.finished.succeeded


def test_the_shipped_example_is_read_whole() -> None:
    runs = read_runs(EXAMPLE, Columns())

    assert len(runs) == 2728
    assert set(runs[0].started.context) == {"agent", "model", "instruction_chars"}
    assert sum(run.finished.succeeded for run in runs if run.finished) == 1104


def test_what_is_known_only_afterwards_is_no_context() -> None:
    for run in read_runs(EXAMPLE, Columns())[:50]:
        assert not {"success", "failure_mode", "tests_passed", "output_tokens"} & set(
            run.started.context
        )


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    text = (HEAD + GOOD).replace("run_id", "id").replace("success", "ok")

    (run,) = read(tmp_path, text, Columns(names={"run_id": "id", "success": "ok"}))

    assert run.started.task_id == "r1"


def test_a_run_that_never_ended_has_no_finish(tmp_path: Path) -> None:
    (run,) = read(tmp_path, HEAD + "r1,a,b,2025-07-11T19:11:55Z,,,\n")

    assert run.finished is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("r2,a,b,yesterday,2025-07-11T19:12:55Z,True,1", "started_at: expected a time"),
        ("r2,a,b,2025-07-11T19:12:55Z,2025-99-11T19:12:55Z,True,1", "finished_at: '2025-99-11"),
        (
            "r2,a,b,2025-07-11T19:12:55Z,2025-07-11T19:12:54Z,True,1",
            "finished_at: '2025-07-11T19:12:54Z' is before started_at",
        ),
        ("r2,a,b,1925-07-11T19:12:55Z,2025-07-11T19:12:54Z,True,1", "is before 1970"),
        (
            "r2,a,b,2025-07-11T19:12:55Z,2025-07-11T19:12:56Z,perhaps,1",
            "success: expected a word for success (true, ",
        ),
        ("r2,,b,2025-07-11T19:12:55Z,2025-07-11T19:12:56Z,True,1", "agent_id: expected 1 to 256"),
        ("r2,a,b,2025-07-11T19:12:55Z", "number of fields differs"),
        ("r2,a,b,2025-07-11T19:12:55Z,2025-07-11T19:12:56Z,True,1,2,3", "number of fields differs"),
        (GOOD.strip(), "is already on line 2"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BadInputError, match=r"runs\.csv line 3: ") as raised:
        read(tmp_path, HEAD + GOOD + line + "\n")

    assert said in str(raised.value)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "soon", '"60,5"'])
def test_a_duration_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    head, row = HEAD.replace("instruction_chars", "duration_s"), GOOD.replace(",120", f",{text}")

    with pytest.raises(BadInputError, match="line 2: duration_s: expected seconds"):
        read(tmp_path, head + row)


def test_a_form_of_times_may_consist_of_digits(tmp_path: Path) -> None:
    row = "r1,a,b,20250711191255,20250711191256,True,1\n"
    columns = Columns(time_format="%Y%m%d%H%M%S")
    (tmp_path / "runs.csv").write_text(HEAD + row)

    (run,) = read_runs(tmp_path / "runs.csv", columns)

    assert run.started.started_at_ms == 1_752_261_175_000
    both = replace(columns, units={"started_at": "us", "finished_at": "us"})
    (run,) = read_runs(tmp_path / "runs.csv", both)
    assert run.started.started_at_ms == 20_250_711_191


def test_missing_columns_are_named_beside_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"line 1: no column 'finished_at', 'success'.*--map"):
        read(tmp_path, "run_id,agent_id,task_type,started_at\nr1,a,b,2025-07-11T19:12:55Z\n")


def test_no_file_and_no_text_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        read_runs(tmp_path / "none.csv", Columns())
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00run_id")
    with pytest.raises(BadInputError, match="line 1: no column"):
        read_runs(tmp_path / "binary.csv", Columns())

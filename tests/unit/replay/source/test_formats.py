"""CSV of any size, JSON and Parquet are read a row at a time."""

import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.replay.source.reading_files import CASES, GOOD, HEADER, csv_of, good_but, read

from gnomon.errors import ConfigurationError
from gnomon.replay.source import Columns, Reading, Run, read_export


def as_json(**changed: object) -> dict[str, object]:
    return {**dict(zip(HEADER, GOOD, strict=True)), **changed}


def only(found: object) -> Run:
    assert getattr(found, "error", None) is None, found
    (run,) = found.runs  # type: ignore[attr-defined]
    assert isinstance(run, Run)
    return run


def test_a_cell_of_a_million_characters_that_nobody_mapped_is_no_obstacle(tmp_path: Path) -> None:
    prompt = '"' + 'He said ""no"",\n' * 100_000 + '"'
    text = csv_of(
        (*GOOD, prompt), (*good_but(run_id="r2", success="x"), "-"), header=(*HEADER, "prompt")
    )

    found = read(tmp_path, text)

    assert [run.started.task_id for run in found.runs] == ["r1"]
    assert "runs.csv line 100003: success: " in str(found.error)


def test_memory_does_not_grow_with_cells_that_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write(",".join((*HEADER, "prompt")) + "\n")
        for number in range(30):
            file.write(",".join((*good_but(run_id=f"r{number}"), "x" * 1_000_000)) + "\n")

    tracemalloc.start()
    found = read_export(path, Columns())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(found.runs) == 30
    assert peak < 12e6


@pytest.mark.parametrize("text", ['"open', '"shut"x', 'a"b'])
def test_a_wrong_quote_is_named_where_it_opens(text: str, tmp_path: Path) -> None:
    lines = csv_of(GOOD, good_but(run_id="r2"), good_but(run_id="r3")).splitlines()
    lines[2] = lines[2].replace("fix", text)

    found = read(tmp_path, "\n".join(lines))

    if text == 'a"b':
        assert found.error is None
    else:
        assert "line 3: task_type: the quote that opens it" in str(found.error)


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), ("\n\n", "is empty"), ('"a', "line 1")]
)
def test_a_file_without_a_header_is_said_to_have_none(text: str, said: str, tmp_path: Path) -> None:
    assert said in str(read(tmp_path, text).error)


def test_a_column_that_occurs_twice_matters_only_if_it_is_read(tmp_path: Path) -> None:
    header = (*HEADER, "note", "note")

    assert len(read(tmp_path, csv_of((*GOOD, "", ""), header=header)).runs) == 1
    found = read(tmp_path, csv_of((*GOOD, "", ""), header=header), Columns(context=["note"]))
    assert "line 2: note: two columns have this name" in str(found.error)


def test_undecodable_bytes_matter_only_where_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(
        csv_of((*GOOD, "caf"), header=(*HEADER, "note")).encode().replace(b"caf", b"caf\xe9")
    )

    assert len(read_export(path, Columns()).runs) == 1
    found = read_export(path, Columns(context=["note"]))
    assert "line 2: note: the byte 0xE9 is no text here: say --encoding" in str(found.error)
    named = read_export(path, Columns(context=["note"]), reading=Reading(encoding="cp1252"))
    assert only(named).started.context == {"note": "café"}


@pytest.mark.parametrize("encoding", ["klingon", "base64", "utf-16", "utf-32", "idna", "undefined"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_text_of_another_encoding_than_said_is_refused(
    encoding: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"runs.{ending}"
    path.write_text(csv_of(GOOD), encoding="utf-8")

    error = read_export(path, Columns(), reading=Reading(encoding=encoding)).error

    assert str(error).startswith(f"{path}: --encoding {encoding}: ")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("array", [True, False])
def test_json_lines_and_arrays_give_the_same(
    *, array: bool, indent: int | None, tmp_path: Path
) -> None:
    objects = [as_json(run_id=f"r{i}", prompt="x" * 70_000) for i in range(3)]
    whole = json.dumps(objects, indent=indent)
    lines = "\n".join(json.dumps(each, indent=indent) for each in objects)

    found = read(tmp_path, whole if array else lines, name="runs.json")

    assert found.error is None
    assert [run.started.task_id for run in found.runs] == ["r0", "r1", "r2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"run_id": "r1"\n{"run_id": "r2"}', "line 1: not JSON: "),
        ("[1]", "line 1: expected a JSON object, got int"),
        ('[{}, "x"', "line 1: run_id: expected 1 to 256"),
        ('{"id": 1, "who": "a"}', "the names are 'id, who': --map run_id=…"),
        ('{"run_id": "\\ud800"}', "run_id: \\ud800 is half of a character"),
        ('\n{"run_id": tru}', "line 2: not JSON: Expecting value"),
        ("", None),
    ],
)
def test_what_is_no_json_is_named_with_its_line(
    text: str, said: str | None, tmp_path: Path
) -> None:
    found = read(tmp_path, text, name="runs.jsonl")

    assert (said is None and found.runs == []) or str(said) in str(found.error)


def test_a_field_inside_objects_is_named_with_dots(tmp_path: Path) -> None:
    row = as_json(meta={"model.name": "o3", "tags": ["a"]}, info='{"who": {"id": 7}}')
    columns = Columns(names={"agent_id": "info.who.id"}, context=["meta.model.name"])

    run = only(read(tmp_path, json.dumps(row), columns, name="runs.jsonl"))

    assert run.started.agent_id == "7"
    assert run.started.context == {"meta.model.name": "o3"}
    whole = read(tmp_path, json.dumps(row), Columns(context=["meta"]), name="runs.jsonl")
    assert "line 1: meta: expected text or a number, got an object" in str(whole.error)


def test_columns_are_joined_and_the_first_that_is_not_empty_is_taken(tmp_path: Path) -> None:
    rows = [
        as_json(try_number=2, succeeded=None, failed="2026-03-02T08:02:00Z", success="no"),
        as_json(try_number=3, succeeded="2026-03-02T08:03:00Z"),
    ]
    columns = Columns(names={"run_id": "run_id+try_number", "finished_at": "succeeded,failed"})

    found = read(tmp_path, "\n".join(map(json.dumps, rows)), columns, name="runs.jsonl")

    assert [(r.started.task_id, r.finished and r.finished.duration_s) for r in found.runs] == [
        ("r1/2", 120.0),
        ("r1/3", 180.0),
    ]


def test_parquet_is_read_with_the_types_it_declares(tmp_path: Path) -> None:
    began = datetime(2026, 3, 2, 8, tzinfo=UTC)
    frame = pd.DataFrame(
        {
            "run_id": [1, 2],
            "agent_id": ["a", "b"],
            "task_type": ["fix", "fix"],
            "started_at": pd.to_datetime([began, began]),
            "finished_at": pd.to_datetime([datetime(2026, 3, 2, 8, 1, tzinfo=UTC), None]),
            "success": [True, False],
            "size": [1.5, None],
            "prompt": ["x", "y"],
        }
    )
    frame.to_parquet(tmp_path / "runs.parquet")

    found = read_export(tmp_path / "runs.parquet", Columns(context=["size"]))

    assert found.error is None
    first, second = found.runs
    assert (first.started.task_id, first.started.context) == ("1", {"size": 1.5})
    assert first.finished is not None
    assert first.finished.duration_s == 60.0
    assert (second.finished, second.started.context) == (None, {"size": None})
    frame.assign(agent_id=["a", ""]).to_parquet(tmp_path / "runs.parquet")
    assert "runs.parquet row 2: agent_id" in str(
        read_export(tmp_path / "runs.parquet", Columns()).error
    )


def test_parquet_of_bytes_and_maps_is_read(tmp_path: Path) -> None:
    """Older writers declare no text for their bytes, and tags are often a map."""
    tags = pa.map_(pa.string(), pa.string())
    row = {**as_json(), "run_id": "Prüfung".encode(), "started_at": GOOD[3], "agent_id": b"b\xff"}
    table = pa.table({name: [value] for name, value in row.items()})
    table = table.append_column("tags", pa.array([[("who", "a"), ("model", "o3")]], tags))
    pq.write_table(table, tmp_path / "runs.parquet")
    columns = Columns(names={"agent_id": "tags.who"}, context=["tags.model"])

    started = only(read_export(tmp_path / "runs.parquet", columns)).started

    assert (started.task_id, started.agent_id) == ("Prüfung", "a")
    assert started.context == {"tags.model": "o3"}
    refused = read_export(tmp_path / "runs.parquet", Columns())
    assert "row 1: agent_id: the byte 0xFF is no text here" in str(refused.error)


def test_a_text_of_parquet_that_is_none_is_named_with_its_row_and_column(tmp_path: Path) -> None:
    rows = [as_json(run_id=f"r{i}") for i in range(1500)]
    agents = [b"\xff" if i == 1402 else b"a" for i in range(1500)]
    table = pa.Table.from_pylist(rows).drop_columns("agent_id")
    as_text = pa.array(agents, pa.binary()).view(pa.string())
    pq.write_table(table.append_column("agent_id", as_text), tmp_path / "runs.parquet")

    found = read_export(tmp_path / "runs.parquet", Columns())

    assert "runs.parquet row 1403: agent_id: " in str(found.error)
    assert len(found.runs) == 1402


def test_a_parquet_file_whose_names_are_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.table({"run_id": ["r1"]}), path, compression="none", store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"run_id", b"run_\xff\xff"))

    assert "not a Parquet file" in str(read_export(path, Columns()).error)


@pytest.mark.parametrize("name", ["runs.parquet", "runs.csv", "runs.jsonl"])
def test_a_file_that_is_none_or_another_is_a_clear_error(name: str, tmp_path: Path) -> None:
    assert "No such file" in str(read_export(tmp_path / name, Columns()).error)
    (tmp_path / name).write_bytes(b"\x00\x01")
    assert isinstance(read_export(tmp_path / name, Columns()).error, ConfigurationError)


def test_a_retry_under_the_same_id_is_refused_or_is_a_run_of_its_own() -> None:
    path = CASES / "airflow_retry_same_run_id.csv"
    names = {"agent_id": "dag_id", "task_type": "task_id", "started_at": "start_date"}
    columns = Columns(names={**names, "finished_at": "end_date", "success": "state"})

    refused = read_export(path, columns)
    assert "line 27: run 'scheduled__6' of this agent is already on line 8" in str(refused.error)
    assert "--each-retry" in str(refused.error)

    each = read_export(path, replace(columns, each_retry=True))
    joined = read_export(path, columns.over({"run_id": "run_id+try_number"}, {}))
    assert (each.error, joined.error) == (None, None)
    for found, first, second in ((each, "scheduled__6", "scheduled__6~2"),
                                 (joined, "scheduled__6/1", "scheduled__6/2")):  # fmt: skip
        runs = {run.started.task_id: run for run in found.runs}
        assert len(runs) == 26
        ends = [runs[name].finished for name in (first, second)]
        assert [end and end.duration_s for end in ends] == [34.213, 9.0]


def test_the_line_for_excel_before_the_header_names_the_separator(tmp_path: Path) -> None:
    lines = csv_of(GOOD, good_but(run_id="r2", success="x")).replace(",", ";")

    found = read(tmp_path, f"sep=;\n{lines}")

    assert [run.started.task_id for run in found.runs] == ["r1"]
    assert "line 4: success: " in str(found.error)


def test_utf_16_without_a_mark_is_told_how_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(csv_of(GOOD).encode("utf-16-le"))

    assert "line 1: zero bytes" in str(read_export(path, Columns()).error)
    assert only(read_export(path, Columns(), reading=Reading(encoding="utf-16-le")))


@pytest.mark.parametrize("name", ["runs.json", "runs.txt", "answer"])
def test_the_list_in_an_answer_of_an_api_is_read(name: str, tmp_path: Path) -> None:
    rows = [as_json(), as_json(run_id="r2", success="x")]
    answer = {"total_count": 2, "workflow_runs": rows, "links": {"next": "/2"}}

    found = read(tmp_path, "\n " + json.dumps(answer, indent=1), name=name)

    assert found.layout == "the JSON array 'workflow_runs', utf-8"
    assert [run.started.task_id for run in found.runs] == ["r1"]
    assert "object 2: success: " in str(found.error)


@pytest.mark.parametrize("apart", ["", "\n"])
@pytest.mark.parametrize("answers", [True, False])
def test_pages_that_were_appended_to_one_file_are_all_read(
    *, answers: bool, apart: str, tmp_path: Path
) -> None:
    """``gh api --paginate``, and ``curl`` in a loop, write one array or answer after the other."""
    pages: list[object] = [[as_json(run_id=f"r{i}"), as_json(run_id=f"s{i}")] for i in range(3)]
    pages.append([])
    if answers:
        pages = [{"total": 6, "data": page, "links": []} for page in pages]

    found = read(tmp_path, apart.join(map(json.dumps, pages)), name="runs.json")

    assert found.error is None
    assert [run.started.task_id for run in found.runs] == ["r0", "s0", "r1", "s1", "r2", "s2"]


@pytest.mark.parametrize(
    ("first", "behind", "said"),
    [
        ([as_json()], "x", "line 1: expected '[' of a JSON array"),
        ([as_json()], ", []", "line 1: expected '[' of a JSON array"),
        ({"data": [as_json()]}, "x", "object 2: not JSON"),
        ({"data": [as_json()]}, '{"error": "rate limit"}', "object 2: expected an object in"),
        ({"data": [as_json()]}, "[]", "object 2: expected an object in an array 'data'"),
    ],
)
def test_what_comes_behind_the_last_page_is_not_passed_over(
    first: object, behind: str, said: str, tmp_path: Path
) -> None:
    found = read(tmp_path, json.dumps(first) + behind, name="runs.json")

    assert said in str(found.error)


def test_a_run_that_has_a_list_is_a_run(tmp_path: Path) -> None:
    text = json.dumps(as_json(steps=[{"run_id": "inner"}]))

    assert only(read(tmp_path, text, name="runs.jsonl")).started.task_id == "r1"


def test_what_has_neither_begun_nor_ended_is_left_out(tmp_path: Path) -> None:
    nothing = as_json(run_id="r2", started_at=None, finished_at=None, success=None)

    found = read(tmp_path, json.dumps([as_json(), nothing]), name="runs.json")

    assert only(found).started.task_id == "r1"
    assert found.left_out == {"it has not begun: no started_at": 1}

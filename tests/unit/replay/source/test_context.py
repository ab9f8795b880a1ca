"""A context column has one type: text, unless all of it is plain numbers."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.replay.source.reading_files import CASES, GOOD, HEADER, csv_of, good_but, read

from gnomon.models.table import context_columns, left_out
from gnomon.replay.source import Columns, Export, read_export

COLUMNS = Columns(context=["x"])


def values(found: Export) -> list[object]:
    assert found.error is None, found.error
    return [run.started.context["x"] for run in found.runs]


def read_cells(folder: Path, *cells: str) -> Export:
    rows = [(*good_but(run_id=f"r{i}"), cell) for i, cell in enumerate(cells)]
    return read(folder, csv_of(*rows, header=(*HEADER, "x")), COLUMNS)


def test_a_column_of_numbers_and_texts_is_text_and_is_learnt_from() -> None:
    found = read_export(CASES / "model_mixed.csv", Columns(context=["model"]))

    assert found.error is None
    assert {type(run.started.context["model"]) for run in found.runs} == {str}
    started = [run.started for run in found.runs]
    assert [name for name, kind in context_columns(started)] == ["context_model"]
    assert left_out(started) == {}
    (column,) = found.context
    assert column.described("line") == "text, as line 4 has 'o3'"


@pytest.mark.parametrize(
    "cell",
    [
        "01234",
        "1_000",
        "3e8",
        "+5",
        ".5",
        "5.",
        "0x1F",
        "1,5",
        "nan",
        "inf",
        "\uff11\uff12",
        "1" * 16,
    ],
)
def test_what_only_looks_like_a_number_stays_text(cell: str, tmp_path: Path) -> None:
    quoted = f'"{cell}"'

    assert values(read_cells(tmp_path, quoted, "7")) == [cell, "7"]


plain = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(lambda d: format(d, "f")),
)
texts = st.sampled_from(["o3", "5-mini", "01234", "1_000", "3e8", "NaN", "true"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(plain | st.just(""), min_size=1, max_size=8))
def test_plain_numbers_are_what_pandas_reads(tmp_path: Path, cells: list[str]) -> None:
    found = read_cells(tmp_path, *cells)

    expected = pd.read_csv(tmp_path / "runs.csv")["x"].astype(float)
    ours = pd.Series([None if v is None else v for v in values(found)], dtype=float, name="x")
    pd.testing.assert_series_equal(ours, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(plain | texts, max_size=6), texts, st.lists(plain | texts, max_size=6))
def test_one_text_makes_the_column_text(
    tmp_path: Path, before: list[str], text: str, after: list[str]
) -> None:
    cells = [*before, text, *after]

    assert values(read_cells(tmp_path, *cells)) == cells


def test_json_keeps_the_types_of_a_column_that_has_one(tmp_path: Path) -> None:
    def rows(*cells: str) -> str:
        pairs = ", ".join(f'"{name}": "{value}"' for name, value in zip(HEADER, GOOD, strict=True))
        return "".join(
            f'{{{pairs.replace("r1", f"r{i}")}, "x": {cell}}}\n' for i, cell in enumerate(cells)
        )

    def of(*cells: str) -> list[object]:
        return values(read(tmp_path, rows(*cells), COLUMNS, name="runs.jsonl"))

    assert of("1", "2.5", "null") == [1, 2.5, None]
    assert of("true", "false") == [True, False]
    assert of("4.1", "4", '"o3"') == ["4.1", "4", "o3"]
    assert of("true", "1") == ["true", "1"]


def test_long_texts_are_cut_and_that_is_said(tmp_path: Path) -> None:
    found = read_cells(tmp_path, "y" * 1025, "z")

    assert values(found) == ["y" * 1024, "z"]
    assert found.remarks == ["x: 1 texts are cut to 1,024 characters"]


def test_what_is_left_out_of_training_is_named() -> None:
    class Task:
        def __init__(self, **context: str | float | None) -> None:
            self.context = context

    many = {f"n{i:02}": 1 for i in range(33)}
    tasks = [Task(mixed=i % 2 or "text", empty=None, **many) for i in range(99)] + [Task(rare=1)]
    tasks += [Task(**{"experiment.e.unit": "customer"})]

    assert left_out(tasks) == {
        "empty": "it is always empty",
        "experiment.e.unit": "it is the unit of an experiment",
        "mixed": "it has both numbers and texts",
        "n32": "32 others are more frequent",
        "rare": "only 1 of 101 runs have it",
    }

"""1,000 generated exports give exactly the runs that pandas reads, or the error names line and column."""

from pathlib import Path

import pandas as pd
import pytest
from tests.unit.replay.source.exports import Exported, export

from gnomon.replay.source import Run, read_export

SEEDS = 40
EACH = 25


def pandas_runs(path: Path, exported: Exported) -> list[tuple[object, ...]]:
    """Read the file by the same mapping: pandas alone parses cells, times, numbers and words."""
    frame = pd.read_csv(
        path,
        sep=exported.separator,
        encoding=exported.encoding,
        dtype=str,
        keep_default_na=False,
    )
    names = exported.names
    times = {name: _times(frame[names[name]], exported) for name in ("started_at", "finished_at")}
    factor = {"s": 1.0, "ms": 1000.0, "us": 1e6}.get(exported.duration_unit)
    given = frame[names["duration_s"]]
    numbers = given.where(given != "", "nan").astype(float)
    seconds = numbers * 60.0 if factor is None else numbers / factor
    spans = (times["finished_at"] - times["started_at"]) / 1000
    return [
        tuple(row)
        for row in pd.DataFrame(
            {
                "run_id": frame[names["run_id"]],
                "agent_id": frame[names["agent_id"]],
                "task_type": frame[names["task_type"]],
                "started": times["started_at"],
                "finished": times["finished_at"],
                "seconds": seconds.where(seconds.notna(), spans),
                "succeeded": frame[names["success"]].map(exported.words),
                "size": pd.to_numeric(frame["size"], errors="coerce"),
            }
        ).itertuples(index=False)
    ]


def _times(texts: "pd.Series[str]", exported: Exported) -> "pd.Series[int]":
    kind = exported.time_kind
    if kind in {"s", "ms", "us"}:
        moments = pd.to_datetime(texts.astype("int64"), unit=kind, utc=True)
    elif kind == "dmy":
        moments = pd.to_datetime(texts, format="%d/%m/%Y %H:%M:%S.%f", utc=True)
    else:
        moments = pd.to_datetime(texts, format="ISO8601", utc=True)
    return moments.dt.as_unit("ns").astype("int64") // 1_000_000


def our_row(run: Run) -> tuple[object, ...]:
    started, finished = run.started, run.finished
    assert finished is not None
    size = started.context["size"]
    return (
        started.task_id,
        started.agent_id,
        started.task_type,
        started.started_at_ms,
        finished.finished_at_ms,
        finished.duration_s,
        finished.succeeded,
        float("nan") if size is None else size,
    )


@pytest.mark.parametrize("block", range(SEEDS))
def test_an_export_is_read_as_pandas_reads_it_or_line_and_column_are_named(
    block: int, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    for seed in range(block * EACH, (block + 1) * EACH):
        exported = export(seed, mistakes=seed % 3 == 0)
        path.write_bytes(exported.data)

        found = read_export(path, exported.columns, reading=exported.reading)

        if exported.wrong is not None:
            line, column = exported.wrong
            assert str(found.error).startswith(f"{path} line {line}: {column}: "), (
                seed,
                found.error,
            )
            continue
        assert found.error is None, (seed, found.error)
        ours, theirs = map(pd.DataFrame, (map(our_row, found.runs), pandas_runs(path, exported)))
        pd.testing.assert_frame_equal(
            ours, theirs, check_dtype=False, check_exact=True, obj=str(seed)
        )


def test_the_generator_makes_every_kind() -> None:
    """A generator that never draws a kind would test nothing of it."""
    made = [export(seed, mistakes=seed % 3 == 0) for seed in range(SEEDS * EACH)]

    assert len(made) == 1000
    assert {each.encoding for each in made} == {"utf-8", "utf-8-sig", "utf-16", "cp1252"}
    assert {each.separator for each in made} == set(",;\t|")
    assert {each.duration_unit for each in made} == {"s", "ms", "us", "min"}
    assert len({each.time_kind for each in made}) == 8
    assert len({tuple(each.words) for each in made}) == 11
    assert 300 < sum(each.wrong is not None for each in made) < 400

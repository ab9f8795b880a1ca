"""What the stages would refuse is refused at once, with its line and column."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.replay.source.reading_files import (
    CASES,
    GOOD,
    HEADER,
    NOW_MS,
    csv_of,
    good_but,
    read,
)

from gnomon import codec
from gnomon.replay.source import Columns, Door, read_export
from gnomon.replay.source.building import _Record

LATENCY = Columns(
    names={
        "run_id": "id",
        "agent_id": "name",
        "task_type": "kind",
        "started_at": "startTime",
        "finished_at": "endTime",
        "duration_s": "latency",
        "success": "ok",
    }
)


def test_a_latency_in_milliseconds_is_refused_where_it_is_too_long_and_remarked_upon() -> None:
    found = read_export(CASES / "latency_ms_long.csv", LATENCY)

    assert "latency_ms_long.csv line 14: latency: 9,120,000 s is refused" in str(found.error)
    assert "1,000 times finished_at - started_at" in str(found.error)
    assert "--unit duration_s=ms" in str(found.error)


def test_with_its_unit_it_is_read() -> None:
    columns = replace(LATENCY, units={"duration_s": "ms"})

    found = read_export(CASES / "latency_ms_long.csv", columns)

    assert (found.error, found.remarks, len(found.runs)) == (None, [], 30)
    assert found.runs[0].finished is not None
    assert found.runs[0].finished.duration_s == pytest.approx(26.3889, abs=1e-12)


def test_a_swapped_day_and_month_is_refused_where_it_is_in_the_future() -> None:
    found = read_export(CASES / "future.csv", Columns(), door=Door(now_ms=NOW_MS))

    assert "future.csv line 11: started_at: '2026-12-11T10:00:00Z'" in str(found.error)
    assert "--time-format" in str(found.error)
    assert len(found.runs) == 9


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("code_review_iterations", "100000001", "code_review_iterations: '100000001' is refused"),
        ("duration_s", "9000001", "duration_s: 9,000,001 s is refused"),
        ("finished_at", "2026-08-01T00:00:00Z", "finished_at: '2026-08-01T00:00:00Z' is 64"),
    ],
)
def test_what_the_contract_refuses_is_refused(
    column: str, text: str, said: str, tmp_path: Path
) -> None:
    header = (*HEADER, "code_review_iterations", "duration_s")
    row = dict(zip(header, (*GOOD, "1", "60"), strict=True)) | {column: text}

    found = read(tmp_path, csv_of((*GOOD, "1", "60"), tuple(row.values()), header=header))

    # The first line has the same id, but a refused row is refused for what it is.
    assert f"line 3: {said}" in str(found.error)


def test_a_run_of_105_days_is_refused_by_its_duration(tmp_path: Path) -> None:
    row = good_but(started_at="2026-01-01T00:00:00Z", finished_at="2026-04-16T00:00:00Z")

    found = read(tmp_path, csv_of(row))

    assert "line 2: finished_at: 9,072,000 s is refused" in str(found.error)


def test_context_over_64_kib_is_refused(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(70)]
    row = (*GOOD, *["x" * 1000] * 70)

    found = read(tmp_path, csv_of(row, header=(*HEADER, *names)), Columns(context=names))

    assert "line 2: the run is too large for the stages" in str(found.error)
    assert "at most 65536" in str(found.error)


amounts = st.sampled_from(["", "0", "60", "8999999", "9000000.5", "1e300", "-1", "x"])
counts = st.sampled_from(["", "0", "3", "100000000", "100000001", "1e30", "-2", "2.5"])
ids = st.sampled_from(["r", "x" * 256, "x" * 257, ""])
times = st.sampled_from(
    ["2026-03-02T08:00:00Z", "2026-03-02T08:00:01Z", "2026-01-01T00:00:00Z", "2031-01-01T00:00:00Z",
     "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"]
)  # fmt: skip


rows = st.tuples(
    ids, st.just("a"), st.just("fix"), times, times, st.just("true"), amounts, amounts, counts
)


@given(rows)
def test_what_passes_the_door_passes_the_stages(
    tmp_path_factory: pytest.TempPathFactory, row: tuple[str, ...]
) -> None:
    """The stages read what is published with ``read_task_event``; here it gets the same bytes."""
    header = (*HEADER, "duration_s", "estimate_s", "code_review_iterations")

    found = read(tmp_path_factory.getbasetemp(), csv_of(row, header=header), name="door.csv")

    if found.error is not None:
        assert "door.csv line 2: " in str(found.error)
    for run in found.runs:
        for event in (run.started, run.end):
            assert event is not None
            record = _Record(codec.encode(event), NOW_MS)
            assert codec.read_task_event(record, max_clock_ahead_ms=600_000) == event


@pytest.mark.parametrize(
    ("factor", "unit"), [(1, None), (30, None), (0.02, None), (1000, "ms"), (2.5e6, "us")]
)
def test_estimates_in_another_unit_are_remarked_upon(
    factor: float, unit: str | None, tmp_path: Path
) -> None:
    """The runs take a minute, and estimates are wrong by up to a half."""
    rows = [(*good_but(run_id=f"r{i}"), repr(60 * factor * (0.5 + i / 8))) for i in range(9)]

    found = read(tmp_path, csv_of(*rows, header=(*HEADER, "estimate_s")))

    assert (len(found.runs), found.error) == (9, None)
    assert (f"--unit estimate_s={unit}" in str(found.remarks)) if unit else found.remarks == []


def test_a_time_of_today_that_lacks_its_offset_is_told(tmp_path: Path) -> None:
    now = datetime.fromtimestamp(NOW_MS / 1000, timezone(timedelta(hours=9)))
    row = good_but(
        started_at=now.strftime("%Y-%m-%d %H:%M:%S"), finished_at=now.strftime("%Y-%m-%d %H:%M:%S")
    )

    said = str(read(tmp_path, csv_of(row)).error)

    assert "is 0.4 days in the future" in said
    assert "a time without its offset counts as UTC" in said


@pytest.mark.parametrize(("unit", "said"), [("s", False), ("ms", True), ("us", True)])
def test_seconds_that_are_read_in_a_smaller_unit_are_remarked_upon(
    *, unit: str, said: bool, tmp_path: Path
) -> None:
    rows = [
        good_but(run_id=f"r{i}", started_at=f"177243840{i}", finished_at=f"177243846{i}")
        for i in range(3)
    ]

    found = read(
        tmp_path,
        csv_of(*rows),
        Columns(units={"started_at": unit, "finished_at": unit}),
    )

    assert (len(found.runs), found.error) == (3, None)
    assert ("started_at is before 1990 in 3 of 3 runs" in str(found.remarks)) is said


@pytest.mark.parametrize(
    ("factor", "unit"), [(1000, "ms"), (1e6, "us"), (1e9, "ns"), (1 / 60, "min"), (1, None)]
)
def test_a_duration_in_another_unit_is_remarked_upon(
    factor: float, unit: str | None, tmp_path: Path
) -> None:
    rows = [
        (*good_but(run_id=f"r{i}", finished_at=f"2026-03-02T08:00:0{i}Z"), repr(i * factor))
        for i in range(1, 9)
    ]

    found = read(tmp_path, csv_of(*rows, header=(*HEADER, "duration_s")))

    said = f"{found.remarks} {found.error}"
    assert (f"--unit duration_s={unit}" in said) if unit else (said == "[] None")

"""The client's impact in reports: the figures of the last drill, or that there are none."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gnomon.drill.report import Report, compare, round_of
from gnomon.operations.isolation_report import ImpactSummary, report_path
from gnomon.replay.report import summed_up

NOT_MEASURED = "production impact: not measured"
HOW = "; to measure it: gnomon drill isolation"


def written(data_dir: Path, *, answered: bool = True) -> None:
    """A report as ``gnomon drill isolation`` writes it."""
    latencies = [10.0] * 98 + [20.0, 30.0] if answered else []
    without, with_client = round_of(latencies, errors=0), round_of(latencies, errors=1)
    compared = compare([without, without], [with_client, with_client])
    report = Report(
        drill="isolation",
        at_ms=1_790_000_000_000,
        rate_per_s=100.0,
        round_s=1.0,
        rounds=2,
        requests=400,
        compared={"up": compared, "killed": compared},
        longest_ms={"up": {}, "killed": {}},
        request_errors=0,
        service_errors=0,
        events={},
        cpu_s={},
        exit_s=None,
        passed=answered,
    )
    path = report_path(data_dir)
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def in_a_replays_report(data_dir: Path) -> Any:
    report = summed_up([], {}, tasks=0, seconds=1.0, impact=ImpactSummary.of(data_dir).impact)
    return json.loads(msgspec.json.encode(report))["production_impact"]


def test_the_drills_figures_are_in_the_report_and_are_printed(tmp_path: Path) -> None:
    written(tmp_path)

    latency = {
        "p50": {"without_ms": 10.0, "with_ms": 10.0, "ratio": 1.0},
        "p99": {"without_ms": 20.0, "with_ms": 20.0, "ratio": 1.0},
    }
    assert in_a_replays_report(tmp_path) == {
        "measured_at_ms": 1_790_000_000_000,
        "passed": True,
        "latency": {"up": latency, "killed": latency},
    }
    figures = (
        "p50 10.0 ms without, 10.0 ms with the client (x 1.00);"
        " p99 20.0 ms without, 20.0 ms with the client (x 1.00)"
    )
    assert ImpactSummary.of(tmp_path).lines == (
        "production impact: PASS, measured 2026-09-21 14:13 UTC by gnomon drill isolation",
        f"  broker up: {figures}",
        f"  after the kill: {figures}",
    )


def test_without_a_drill_it_is_null_and_a_line_says_so(tmp_path: Path) -> None:
    assert in_a_replays_report(tmp_path) is None
    assert ImpactSummary.of(tmp_path).lines == (NOT_MEASURED + HOW,)


def test_what_could_not_be_measured_is_null(tmp_path: Path) -> None:
    """JSON has no infinity."""
    assert round_of([], errors=1).p50_ms == math.inf
    written(tmp_path, answered=False)

    impact = in_a_replays_report(tmp_path)
    assert impact["passed"] is False
    assert impact["latency"]["up"]["p50"] == {"without_ms": None, "with_ms": None, "ratio": None}
    assert "p50 - ms without" in ImpactSummary.of(tmp_path).lines[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"at_ms": 1, "passed": true, "compared": {}}',
        b'{"at_ms": 1, "passed": "yes", "compared": {"up": {}, "killed": {}}}',
        b'{"at_ms": 100000000000000000000, "passed": true, "compared": {}}',
    ],
)
def test_an_unusable_report_counts_as_none_and_is_named(tmp_path: Path, content: bytes) -> None:
    path = report_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    measured = ImpactSummary.of(tmp_path)
    assert measured.impact is None
    assert measured.lines == (f"{NOT_MEASURED}, {path} is no report of a drill{HOW}",)


def test_a_report_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = report_path(tmp_path)
    path.mkdir(parents=True)

    measured = ImpactSummary.of(tmp_path)
    assert measured.impact is None
    assert measured.lines == (f"{NOT_MEASURED}, {path}: Is a directory{HOW}",)

"""What a measurement with different numbers of partitions comes to."""

from collections.abc import Mapping

import pytest
from benchmarks.harness.report import Run, targets_table
from benchmarks.harness.turns import by_turns
from benchmarks.harness.watching import Rate
from benchmarks.partitions.figures import TARGETS, found, remarks, usage_tables

from gnomon.stages import STAGES


def turn(p99: float, *, cpu: float, transactions: float = 20.0) -> Mapping[str, float]:
    return {
        "p50": p99 / 2,
        "p99": p99,
        "unread": 1,
        "cpu_broker": cpu / 4,
        "cpu_workers": cpu,
        **{f"cpu_{stage}": cpu / 5 for stage in STAGES},
        **{f"transactions_{stage}": transactions for stage in STAGES},
        **{f"connections_{stage}": 3 for stage in STAGES},
    }


def run(per_s: float, *, span_s: float = 12.0, done: bool = True) -> Run:
    rate = Rate(
        per_s=per_s,
        cpu_s=1.0,
        broker_cpu_s=1.0,
        whole_cpu_s=1.0,
        span_s=span_s,
        seconds=span_s,
        done=done,
    )
    return Run(rate=rate, events=100, records=50, bytes_out=1)


TAKEN = {
    2: [turn(60.0, cpu=0.8), turn(70.0, cpu=0.8)],
    32: [turn(120.0, cpu=1.0), turn(110.0, cpu=1.0, transactions=24.0)],
}


def test_figures_are_of_medians_and_only_of_what_was_measured() -> None:
    figures = found(TAKEN, {}, seconds=30.0)

    assert figures == {
        "p99_ms_at_2": pytest.approx(65.0),
        "p99_ms_at_32": pytest.approx(115.0),
        "cpu_32_to_2": pytest.approx(1.25),
        **{f"tx_{stage}_32_to_2": pytest.approx(1.1) for stage in STAGES},
    }
    told = "\n".join(targets_table(figures, TARGETS))
    assert "p99_ms_at_32                   115       100        50  NO   ms" in told
    assert "p99_ms_at_96                     -       150        60  not measured" in told


def test_rates_are_compared_with_those_at_few_partitions() -> None:
    runs = {
        "all four stages at 32": [run(9.0)],
        "all four stages at 2": [run(10.0)],
        "features at 32": [run(95.0), run(100.0)],
        "features at 4": [run(100.0), run(50.0, done=False)],
    }

    assert found({}, runs, seconds=30.0) == {
        "all_stages_32_to_2": pytest.approx(0.9),
        "features_32_to_4": pytest.approx(0.975),
    }
    assert "1 NOT DONE" in "\n".join(remarks({}, runs, seconds=30.0))


def test_no_ratio_is_made_of_what_was_too_short() -> None:
    runs = {"features at 32": [run(95.0, span_s=2.9)], "features at 4": [run(100.0)]}

    assert set(found(TAKEN, runs, seconds=2.9)) == {"p99_ms_at_2", "p99_ms_at_32"}
    assert [line for line in remarks(TAKEN, runs, seconds=12.0) if "SHORTER than 10 s" in line] == [
        "features at 32: 190 events/s; shortest span 2.9 s; SHORTER than 10 s"
    ]


def test_tasks_that_were_never_predicted_are_named() -> None:
    told = list(remarks(TAKEN, {}, seconds=9.0))

    assert told == [
        "2 partitions: 2 tasks NEVER PREDICTED; delays are of the others",
        "32 partitions: 2 tasks NEVER PREDICTED; delays are of the others",
        "delays: 9.0 s each; SHORTER than 10 s",
    ]


def test_the_tables_have_a_line_for_each_number_of_partitions() -> None:
    lines = "\n".join(usage_tables(TAKEN)).splitlines()

    assert [line.split()[:4] for line in lines if line.startswith("32 ")] == [
        ["32", "57.5", "115.0", "110-120"],
        ["32", "22.0", "22.0", "22.0"],
        ["32", "3", "3", "3"],
    ]


def test_each_goes_first_as_often_as_last() -> None:
    assert list(by_turns((2, 4, 32), 2)) == [2, 4, 32, 32, 4, 2]

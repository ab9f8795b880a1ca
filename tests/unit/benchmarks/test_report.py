"""What a run of the benchmark comes to."""

import pytest
from benchmarks.harness.report import (
    Run,
    Target,
    contenders_table,
    figures,
    median_per_s,
    targets_table,
)
from benchmarks.harness.watching import Rate
from benchmarks.latency import delays


def run(
    per_s: float,
    *,
    records: int = 50,
    bytes_out: int = 300,
    done: bool = True,
    span_s: float = 10.0,
) -> Run:
    rate = Rate(
        per_s=per_s,
        cpu_s=0.5,
        broker_cpu_s=0.25,
        whole_cpu_s=2.0,
        span_s=span_s,
        seconds=12.0,
        done=done,
    )
    return Run(rate=rate, events=100, records=records, bytes_out=bytes_out)


def test_a_rate_is_of_events_read() -> None:
    assert run(5.0).events_per_s == 10.0
    assert run(5.0, records=200).events_per_s == 2.5


def test_processor_time_is_of_an_event() -> None:
    # 10 events/s for 10 s are 100 events, which took half a second.
    assert run(5.0).cpu_us == 5_000.0
    assert run(5.0).broker_cpu_us == 2_500.0
    assert run(0.0).cpu_us == 0.0


def test_a_turn_that_was_not_done_does_not_count() -> None:
    runs = {"floor": [run(5.0), run(7.0), run(1.0, done=False), run(9.0)]}

    assert median_per_s(runs, "floor") == 14.0
    assert median_per_s(runs, "nobody") == 0.0


def test_ratios_are_of_medians() -> None:
    found = figures(
        {
            "floor": [run(100.0, bytes_out=330)],
            "features": [run(50.0), run(60.0), run(70.0)],
            "bytewax": [run(12.0)],
            "shadow": [run(50.0)],
            "all four stages": [run(8.0)],
        }
    )

    assert found == {
        "features_to_floor": pytest.approx(0.6),
        "features_to_bytewax": pytest.approx(5.0),
        "floor_bytes_to_features": pytest.approx(1.1),
        "features_to_floor_by_cpu": pytest.approx(0.6),
        "tasks_per_s": pytest.approx(8.0),
    }


@pytest.mark.parametrize(("floor_s", "features_s"), [(2.9, 10.0), (10.0, 2.9)])
def test_no_ratio_is_made_of_a_measurement_that_was_too_short(
    floor_s: float, features_s: float
) -> None:
    runs = {
        "floor": [run(100.0, span_s=floor_s)],
        "features": [run(50.0, span_s=10.0), run(70.0, span_s=features_s)],
    }

    assert not {name for name in figures(runs) if name.startswith("features_to")}
    (line,) = (line for line in contenders_table(runs, {}) if line.startswith("floor"))
    assert " x " not in line


def test_nothing_is_said_of_features_that_did_not_run() -> None:
    assert figures({"bytewax": [run(12.0)]}) == {}


@pytest.mark.parametrize(
    ("value", "less", "reached"),
    [(3.0, False, "goal"), (2.5, False, "yes"), (1.9, False, "NO"), (2.1, True, "NO")],
)
def test_whether_a_target_is_reached(value: float, less: bool, reached: str) -> None:  # noqa: FBT001
    goal = 1.0 if less else 3.0

    assert Target(name="x", unit="", must=2.0, goal=goal, less=less).reached(value) == reached


def test_the_tables_name_everybody() -> None:
    runs = {"floor": [run(100.0)], "features": [run(50.0)]}
    told = "\n".join(contenders_table(runs, {"flink": "no Java"}))

    assert "0.50 x" in told
    assert "flink             skipped: no Java" in told
    assert "features_to_floor              0.5       0.6      0.75  NO" in "\n".join(
        targets_table({"features_to_floor": 0.5})
    )


def test_delays_are_in_milliseconds_and_the_unread_are_counted() -> None:
    sent_s = {f"t{i}": float(i) for i in range(102)}
    read_s = {f"t{i}": i + i / 1000 for i in range(101)}

    assert delays(sent_s, read_s) == {
        "p50": 50.0,
        "p90": 90.0,
        "p99": 99.0,
        "max": 100.0,
        "tasks": 102,
        "unread": 1,
    }


def test_delays_are_infinite_if_nothing_was_predicted() -> None:
    found = delays({"t": 1.0}, {})

    assert (found["p99"], found["max"], found["unread"]) == (float("inf"), float("inf"), 1)

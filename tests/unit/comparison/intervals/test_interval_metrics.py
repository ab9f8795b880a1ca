"""Coverage of intervals and reliability of probabilities against numpy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.comparison.build import config, features, finished, predicted, run, started

from gnomon.comparison import ComparisonState, fold, merge_metrics, restore, snapshot, tick
from gnomon.comparison.intervals.coverage import coverage_by_level
from gnomon.events import Interval, Intervals, ModelMetrics

ends = st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(sorted)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "agent": st.sampled_from(["ada", "bob"]),
            "y": st.floats(0, 1e5),
            "ok": st.booleans(),
            "p": st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.7, 0.999, 1.0]) | st.floats(0, 1),
            "ends": st.none() | st.tuples(ends, ends),
        }
    ),
    min_size=1,
    max_size=30,
)


def intervals_of(row: dict[str, Any]) -> Intervals | None:
    if row["ends"] is None:
        return None
    by_level = {
        level: Interval(low_s=low_s, high_s=high_s, own_low_s=low_s, own_high_s=high_s)
        for level, (low_s, high_s) in zip(("80", "90"), row["ends"], strict=True)
    }
    return Intervals(bucket=0, by_level=by_level)


def records_of(drawn: list[dict[str, Any]]) -> list[Any]:
    records = []
    for number, row in enumerate(drawn):
        task, agent = f"t{number}", row["agent"]
        records += [
            started(task, agent=agent),
            features(task, agent=agent),
            predicted(
                task,
                agent=agent,
                model="m",
                version="7",
                probability=row["p"],
                sha256="ab",
                intervals=intervals_of(row),
            ),
            finished(task, number, agent=agent, duration_s=row["y"], succeeded=row["ok"]),
        ]
    return records


def check(record: ModelMetrics, drawn: list[dict[str, Any]]) -> None:
    given_ = [row for row in drawn if row["ends"] is not None]
    for at, level in enumerate((80, 90)):
        y = np.array([row["y"] for row in given_])
        low, high = (np.array([row["ends"][at][end] for row in given_]) for end in (0, 1))
        assert getattr(record, f"n_{level}") == len(given_)
        assert getattr(record, f"covered_{level}_sum") == ((low <= y) & (y <= high)).sum()
        coverage, width = (
            getattr(record, name) for name in (f"coverage_{level}", f"mean_width_{level}_s")
        )
        if given_:
            assert coverage == pytest.approx(((low <= y) & (y <= high)).mean())
            assert width == pytest.approx((high - low).mean(), abs=1e-6)
        else:
            assert coverage is width is None


def check_bins(record: ModelMetrics, drawn: list[dict[str, Any]]) -> None:
    said = [(row["p"], row["ok"]) for row in drawn if row["p"] is not None]
    # A probability below an edge by less than numpy's histogram can tell apart may be in either bin.
    p, ok = (np.array([pair[at] for pair in said], dtype=float) for at in (0, 1))
    counts, _ = np.histogram(np.floor(p * 10).clip(0, 9), bins=np.arange(11))
    succeeded, _ = np.histogram(np.floor(p[ok == 1] * 10).clip(0, 9), bins=np.arange(11))
    assert record.success_bins == counts.tolist()
    assert record.success_bins_succeeded == succeeded.tolist()


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 40))
def test_metrics_are_those_of_numpy_for_everyone_and_for_each_agent(
    drawn: list[dict[str, Any]], size: int
) -> None:
    records = records_of(drawn)
    batches = [records[at : at + size] for at in range(0, len(records), size)]

    metrics = run(*batches, settings=config(expire_after_ms=10**8)).metrics

    for window in ("all", "24h"):
        record = metrics[f"m|7|all|{window}|p3".encode()]
        check(record, drawn)
        check_bins(record, drawn)
        for agent in {row["agent"] for row in drawn}:
            of_agent = metrics[f"m|7|agent:{agent}|{window}|p3".encode()]
            check(of_agent, [row for row in drawn if row["agent"] == agent])
            assert of_agent.success_bins == of_agent.success_bins_succeeded == []


@settings(max_examples=20, deadline=None)
@given(rows, rows)
def test_partitions_add_up(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    keys = b"m|7|all|all|p3"
    both = [run(records_of(drawn)).metrics[keys] for drawn in (one, other)]

    (merged,) = merge_metrics(both)

    check(merged, [*one, *other])
    check_bins(merged, [*one, *other])


def test_hours_that_leave_the_window_take_their_intervals_along() -> None:
    row = {"agent": "ada", "y": 2.0, "ok": True, "p": 0.95, "ends": ([1.0, 3.0], [0.0, 4.0])}
    later = started("later", 30 * 3_600_000)
    settled = config(expire_after_ms=10**9)
    metrics = run(records_of([row]), [later], settings=settled).metrics
    assert run([*records_of([row]), later], settings=settled).metrics == metrics
    total, window = (metrics[f"m|7|all|{name}|p3".encode()] for name in ("all", "24h"))
    assert (total.n_80, total.success_bins[9], total.mean_width_90_s) == (1, 1, 4.0)
    assert (window.n_80, window.width_90_us_sum, window.coverage_80) == (0, 0, None)
    assert sum(window.success_bins) == sum(window.success_bins_succeeded) == 0


def test_the_worst_agent_and_any_two_hundred_in_a_row() -> None:
    rng = np.random.default_rng(5)
    y = rng.lognormal(3, 1, 700)
    agents = rng.choice(["ada", "bob", "rare"], 700, p=[0.6, 0.39, 0.01])
    drawn = [
        {"agent": str(a), "y": float(s), "ok": True, "p": None, "ends": ([8.0, 60.0], [5.0, 90.0])}
        for a, s in zip(agents, y, strict=True)
    ]
    seen = run(records_of(drawn), settings=config(expire_after_ms=10**8))

    found = coverage_by_level(reversed(seen.comparisons), model="m", version="7")

    assert list(found) == ["80", "90"]
    for level, low, high, penalty in (("80", 8.0, 60.0, 10.0), ("90", 5.0, 90.0, 20.0)):
        inside = (y >= low) & (y <= high)
        rolling = np.convolve(inside, np.ones(200), "valid") / 200
        outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
        coverage = found[level]
        assert coverage.n == 700
        assert coverage.covered == pytest.approx(inside.mean())
        assert coverage.worst_agent == pytest.approx(
            min(inside[agents == a].mean() for a in ("ada", "bob"))
        )
        assert (coverage.lowest, coverage.highest) == pytest.approx((rolling.min(), rolling.max()))
        assert coverage.median_width_s == high - low
        assert coverage.interval_score == pytest.approx(high - low + penalty * outside.mean())


def test_of_few_tasks_no_worst_is_told() -> None:
    row = {"agent": "ada", "y": 2.0, "ok": True, "p": None, "ends": ([1.0, 3.0], [3.0, 4.0])}
    found = coverage_by_level(run(records_of([row])).comparisons, model="m", version="7")
    assert (found["80"].worst_agent, found["80"].lowest, found["80"].covered) == (None, None, 1.0)
    assert found["90"].covered == 0.0
    assert coverage_by_level([], model="m", version="7") == {}


@pytest.mark.parametrize(("tasks", "at_once"), [(16, True), (17, False)])
def test_a_large_batch_leaves_its_corrections_to_the_tick(*, tasks: int, at_once: bool) -> None:
    row = {"agent": "ada", "y": 5.0, "ok": True, "p": None, "ends": ((1.0, 2.0), (0.5, 3.0))}
    state = ComparisonState()
    written = fold(state, records_of([row] * tasks), config=config())
    assert ("interval-corrections" in written.by_topic) == at_once

    restored = restore(snapshot(state), config=config())
    for each in (state, restored):
        later = tick(each, config=config(), whole=False)
        assert ("interval-corrections" in later.by_topic) != at_once
        again = tick(each, config=config(), whole=False)
        assert "interval-corrections" not in again.by_topic

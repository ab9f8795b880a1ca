"""The figures against pandas, which knows nothing of sums, buckets or hours kept as rows."""

import json

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.unit.comparison.build import (
    T0,
    Record,
    Seen,
    config,
    features,
    finished,
    predicted,
    run,
    started,
)

from gnomon import codec
from gnomon.comparison import ComparisonState, fold, metrics_of, restore, snapshot, tick
from gnomon.events import ModelMetrics

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

durations = st.floats(0, 1e5) | st.sampled_from([0.0, 1.0, 1e-5, 0.001, 1.02])
tasks = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["ada", "bob", "eve"]),
        "end": st.integers(0, 60 * HOUR_MS),
        "y": durations,
        "s": st.booleans(),
        "c": st.none() | durations,
        "cp": st.none() | st.floats(0, 1),
        "m": st.none() | durations,
        "mp": st.none() | st.floats(0, 1),
    }
)


def records_of(rows: list[dict[str, object]]) -> list[Record]:
    """A task each, started an hour before it ends, as control and model ``m`` predicted it."""
    made = []
    for number, row in enumerate(rows):
        task, agent, end = f"t{number}", str(row["agent"]), int(str(row["end"]))
        at = end - HOUR_MS
        made += [
            (at, started(task, at, agent=agent)),
            (at, features(task, at, agent=agent)),
            (at, predicted(task, at, agent=agent, of=2, duration_s=row["c"], probability=row["cp"])),  # type: ignore[arg-type]
            (at, predicted(task, at, agent=agent, of=2, duration_s=row["m"], probability=row["mp"], model="m", version="7")),  # type: ignore[arg-type]
            (end, finished(task, end, agent=agent, duration_s=row["y"], succeeded=row["s"])),  # type: ignore[arg-type]
        ]  # fmt: skip
    made.sort(key=lambda pair: pair[0])
    return [record for _, record in made]


def same(figure: float | None, expected: float, *, rel: float = 1e-6, abs_: float = 1e-6) -> bool:
    if figure is None or pd.isna(expected):
        return figure is None and bool(pd.isna(expected))
    return figure == pytest.approx(expected, rel=rel, abs=abs_)


def check(record: ModelMetrics, frame: pd.DataFrame, column: str) -> None:
    """Every figure of one record against columns ``c`` and ``cp``, or ``m`` and ``mp``."""
    timed = frame.dropna(subset=[column])
    error = (timed.y - timed[column]).abs()
    assert record.n == len(timed)
    assert same(record.mae_s, error.mean())
    assert (record.median_error_s is None) == error.empty
    if record.median_error_s is not None:
        off = abs(record.median_error_s - error.median())
        assert off <= 0.01 * error.median() + 0.001
    assert same(record.within_25, (error <= 0.25 * timed.y).mean())
    both = timed.dropna(subset=["c"])
    mae, control_mae = (both.y - both[column]).abs().mean(), (both.y - both.c).abs().mean()
    assert record.n_paired == len(both)
    assert same(record.control_mae_s, control_mae)
    if len(both) and control_mae > 0.1:
        assert same(record.improvement, 1 - mae / control_mae, rel=1e-4, abs_=1e-4)
    judged = frame.dropna(subset=[f"{column}p"])
    said_yes = judged[f"{column}p"] >= 0.5
    assert record.n_success == len(judged)
    assert same(record.accuracy, (said_yes == judged.s).mean())
    assert same(record.brier, ((judged[f"{column}p"] - judged.s) ** 2).mean())
    paired = judged.dropna(subset=["cp"])
    assert record.n_success_paired == len(paired)
    assert same(record.control_accuracy, ((paired.cp >= 0.5) == paired.s).mean())


def frame_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for column in ("y", "c", "cp", "m", "mp"):
        frame[column] = frame[column].astype(float)
    frame["s"] = frame.s.astype(bool)
    return frame


@settings(
    max_examples=50,
    deadline=None,
    # Shrinking runs pandas thousands of times.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(tasks, min_size=1, max_size=40), st.integers(1, 50))
def test_every_figure_is_that_of_pandas(rows: list[dict[str, object]], size: int) -> None:
    records = records_of(rows)
    batches = [records[i : i + size] for i in range(0, len(records), size)]
    seen = run(*batches, settings=config(expire_after_ms=DAY_MS))
    frame = frame_of(rows)
    newest_hour = (T0 + int(frame.end.max())) // HOUR_MS
    hours = (T0 + frame.end) // HOUR_MS
    recent = frame[(hours > newest_hour - 24) & (hours <= newest_hour)]
    for name, version, column in (("control", "0", "c"), ("m", "7", "m")):
        check(seen.metrics[f"{name}|{version}|all|all|p3".encode()], frame, column)
        check(seen.metrics[f"{name}|{version}|all|24h|p3".encode()], recent, column)
        check(metrics_of(seen.comparisons, model=name, version=version), frame, column)
        for agent in frame.agent.unique():
            key = f"{name}|{version}|agent:{agent}"
            of_agent = seen.metrics[f"{key}|all|p3".encode()]
            assert of_agent.n == frame[frame.agent == agent][column].notna().sum()
            recently = seen.metrics[f"{key}|24h|p3".encode()]
            assert recently.n == recent[recent.agent == agent][column].notna().sum()
            assert same(of_agent.brier, brier(frame[frame.agent == agent], column))


def brier(frame: pd.DataFrame, column: str) -> float:
    return float(((frame[f"{column}p"] - frame.s) ** 2).mean())


def one_task(y: float, predicted_s: float) -> ModelMetrics:
    seen = run(
        [started("t"), features("t"), predicted("t", duration_s=predicted_s)],
        [finished("t", 1, duration_s=y)],
    )
    return seen.metrics[b"control|0|all|all|p3"]


@pytest.mark.parametrize(
    ("y", "predicted_s", "bucket", "median_s"),
    [
        (5.0, 5.0, "-1000", 0.0),
        (5.0, 5.0009, "-1000", 0.0),
        (5.0, 5.0011, "-344", 0.0011),
        (5.0, 6.0, "0", 1.0),
        (5.0, 6.01, "1", 1.01),
        (5.0, 105.0, "233", 100.0),
        (5.0, 1e300, "698", 1e6),
    ],
)
def test_where_an_error_is_counted(
    y: float, predicted_s: float, bucket: str, median_s: float
) -> None:
    record = one_task(y, predicted_s)
    assert record.error_histogram == {bucket: 1}
    assert record.median_error_s == pytest.approx(median_s, rel=0.01)


@pytest.mark.parametrize(
    ("y", "predicted_s", "within"),
    [(4.0, 5.0, 1), (4.0, 3.0, 1), (4.0, 5.01, 0), (4.0, 2.99, 0), (0.0, 0.0, 1), (0.0, 0.1, 0)],
)
def test_within_a_quarter_of_the_truth(y: float, predicted_s: float, within: int) -> None:
    assert one_task(y, predicted_s).within_25_sum == within


@pytest.mark.parametrize(("later_hours", "n"), [(0, 1), (23, 1), (24, 0), (200, 0)])
def test_the_window_moves_with_the_watermark_alone(later_hours: int, n: int) -> None:
    """T0 is 20 minutes into an hour; a start elsewhere moves the watermark."""
    first = [started("t"), features("t"), predicted("t"), finished("t", 1)]
    later = [started("u", later_hours * HOUR_MS, agent="bob")]
    figures = run(first, later, settings=config(expire_after_ms=DAY_MS)).metrics
    assert figures[b"control|0|all|24h|p3"].n == n
    assert figures[b"control|0|all|all|p3"].n == 1


@pytest.mark.parametrize(("watermark_hours", "n"), [(23, 1), (24, 0), (25, 0), (48, 0)])
def test_an_outcome_older_than_the_window_is_only_in_the_total(
    watermark_hours: int, n: int
) -> None:
    """Its predictions come when the watermark has gone on already."""
    late = [features("t"), predicted("t")]
    first = [started("t"), finished("t", 1), started("u", watermark_hours * HOUR_MS)]
    figures = run(first, late, settings=config(expire_after_ms=DAY_MS)).metrics
    assert figures[b"control|0|all|24h|p3"].n == n
    assert figures[b"control|0|all|all|p3"].n == 1


def test_only_what_changed_is_written() -> None:
    state = ComparisonState()
    pending = [started("t"), features("t"), predicted("t"), started("u"), features("u")]
    fold(state, pending, config=config())
    assert list(fold(state, [predicted("u")], config=config()).by_topic) == ["comparison-metrics"]
    written = fold(state, [finished("t", 1)], config=config()).by_topic["comparison-metrics"]
    assert [key for key, _ in written] == [b"ledger|p3"]
    assert fold(state, [features("v")], config=config()).by_topic == {}
    written = tick(state, config=config(), whole=False).by_topic["comparison-metrics"]
    assert [key for key, _ in written] == [b"control|0|all|all|p3", b"control|0|all|24h|p3"]
    assert tick(state, config=config(), whole=False).by_topic == {}


def test_metrics_are_written_by_the_next_tick_even_after_a_crash() -> None:
    state = ComparisonState()
    fold(state, [started("t"), features("t"), predicted("t"), finished("t", 1)], config=config())
    restored = restore(snapshot(state), config=config())
    for each in (state, restored):
        written = tick(each, config=config()).by_topic["comparison-metrics"]
        assert sorted(key for key, _ in written if key) == [
            b"control|0|agent:ada|24h|p3",
            b"control|0|agent:ada|all|p3",
            b"control|0|all|24h|p3",
            b"control|0|all|all|p3",
        ]
        assert tick(each, config=config()).by_topic == {}


def test_agents_beyond_the_limit_count_in_all_only() -> None:
    records = [
        record
        for agent in ("ada", "bob")
        for record in (
            started("t", agent=agent), features("t", agent=agent), predicted("t", agent=agent),
            finished("t", 1, agent=agent),
        )
    ]  # fmt: skip
    figures = run(records, settings=config(max_agents=1)).metrics
    assert {r.slice for r in figures.values()} == {"all", "agent:ada"}
    assert figures[b"control|0|all|all|p3"].n == 2


def test_keys_of_different_names_differ() -> None:
    def keys(model: str, version: str) -> set[bytes]:
        made = predicted("t", model=model, version=version)
        return set(run([started("t"), features("t"), made, finished("t", 1)]).metrics)

    assert keys("a|b", "c").isdisjoint(keys("a", "b|c"))
    assert keys("a%7Cb", "c").isdisjoint(keys("a|b", "c"))


def test_expired_tasks_have_no_figures_but_are_counted_beside_them() -> None:
    seen = run([started("t"), features("t"), predicted("t"), started("u", 9000)])
    assert seen.ledger.expired == 1
    assert seen.metrics
    assert {(m.expired, m.n, m.n_success, m.mae_s) for m in seen.metrics.values()} == {
        (1, 0, 0, None)
    }


def test_a_histogram_survives_json() -> None:
    record = one_task(5.0, 7.0)
    assert json.loads(codec.encode(record))["error_histogram"] == {"36": 1}


def test_the_topic_holds_the_latest_figures_after_each_tick() -> None:
    seen, state = Seen(), ComparisonState()
    for number in range(3):
        task = f"t{number}"
        batch = [started(task), features(task), predicted(task), finished(task, 1)]
        seen.add(fold(state, batch, config=config()))
        seen.add(tick(state, config=config(), whole=False))
        assert seen.metrics[b"control|0|all|all|p3"].n == number + 1

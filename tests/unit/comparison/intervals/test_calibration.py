"""Corrections of intervals against numpy, and that nothing but the outcomes' own times orders them."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnomon import codec
from gnomon.comparison.intervals.calibration import Calibration, bucket_of, correction
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.events import Interval, IntervalCorrection, Intervals

seconds = st.floats(0.0, 1e6)
tasks = st.lists(
    st.fixed_dictionaries(
        {
            "at_ms": st.integers(0, 500),
            "duration_s": seconds,
            "ends": st.tuples(seconds, seconds).map(sorted),
            "own": st.tuples(seconds, seconds).map(sorted),
        }
    ),
    max_size=260,
)


def published(task: dict[str, Any], *, bucket: int = 1, rule: int = 1) -> Intervals:
    (low_s, high_s), (own_low_s, own_high_s) = task["ends"], task["own"]
    interval = Interval(low_s=low_s, high_s=high_s, own_low_s=own_low_s, own_high_s=own_high_s)
    return Intervals(bucket=bucket, by_level={"80": interval}, rule=rule)


def add(calibration: Calibration, number: int, task: dict[str, Any], **changes: Any) -> None:
    calibration.add(
        changes.get("sha256", "a"),
        published(task, **{k: v for k, v in changes.items() if k != "sha256"}),
        agent_id="ada",
        task_id=f"t{number}",
        duration_s=task["duration_s"],
        at_ms=task["at_ms"],
    )


def a_task(at_ms: int = 0, *, duration_s: float = 5.0) -> dict[str, Any]:
    return {"at_ms": at_ms, "duration_s": duration_s, "ends": (1.0, 9.0), "own": (1.0, 9.0)}


def test_no_task_no_correction() -> None:
    assert list(Calibration().close(0)) == []


@settings(max_examples=60, deadline=None)
@given(tasks, st.randoms(use_true_random=False))
def test_a_correction_is_that_of_numpy_in_any_order(
    drawn: list[dict[str, Any]], chance: random.Random
) -> None:
    """Finish times are made distinct, so that numpy knows which two hundred are the last."""
    for number, task in enumerate(drawn):
        task["at_ms"] = task["at_ms"] * 1000 + number
    order = list(enumerate(drawn))
    chance.shuffle(order)
    calibration = Calibration()
    written: dict[str, IntervalCorrection | None] = {}
    for number, task in order:
        add(calibration, number, task)
        if chance.random() < 0.1:
            written |= dict(calibration.close(3))
    written |= dict(calibration.close(3))
    if not drawn:
        assert written == {}
        return

    last = sorted(drawn, key=lambda task: task["at_ms"])[-200:]
    y = np.log1p([task["duration_s"] for task in last])
    own = np.log1p([task["own"] for task in last])
    expected, share = by_numpy(np.maximum(own[:, 0] - y, y - own[:, 1]), 0.2)
    record = written["a|1|80|p3"]
    assert record is not None
    assert (record.n, record.partition) == (len(last), 3)
    assert record.miss_share == pytest.approx(share, abs=1e-6)
    assert record.correction == pytest.approx(expected, abs=1e-5)


def by_numpy(scores: NDArray[np.float64], aim: float) -> tuple[float, float]:
    """Adaptive conformal inference with a step of 0.02 after one score of 0."""
    share = aim
    seen = np.zeros(1)
    for score in scores:
        share += 0.02 * (aim - float(score > quantile(seen, share)))
        seen = np.append(seen, score)
    return quantile(seen, share), float(np.clip(share, 0, 1))


def quantile(scores: NDArray[np.float64], share: float) -> float:
    """Of a level that falls exactly on a score, and is off by rounding, it is that score."""
    level = np.clip(1 - share - 1e-9 / len(scores), 0, 1)
    return float(np.quantile(scores, level, method="inverted_cdf"))


def test_only_the_last_two_hundred_count_in_whatever_order_they_come() -> None:
    rng = np.random.default_rng(2)
    durations = rng.lognormal(1, 2, 300)
    calibration = Calibration()
    for number in rng.permutation(300).tolist():
        add(calibration, number, a_task(number, duration_s=float(durations[number])))

    ((_, record),) = calibration.close(0)

    logs = np.log1p(durations[100:])
    expected, _ = by_numpy(np.maximum(np.log1p(1.0) - logs, logs - np.log1p(9.0)), 0.2)
    assert record is not None
    assert record.n == 200
    assert record.correction == pytest.approx(expected, abs=1e-5)


def test_without_tasks_the_model_is_believed() -> None:
    assert correction([], 0.2) == (0.0, 0.2)


def test_a_miss_widens_the_next_interval_and_a_hit_narrows_it() -> None:
    assert correction([1.0], 0.2) == pytest.approx((1.0, 0.2 - 0.02 * 0.8))
    assert correction([-1.0], 0.2) == pytest.approx((0.0, 0.2 + 0.02 * 0.2))


def test_however_many_misses_in_a_row_the_widest_is_the_largest_score() -> None:
    rising = [float(n) for n in range(150)]
    assert correction(rising, 0.1) == (149.0, 0.0)


@pytest.mark.parametrize(("runs", "bucket"), [(None, 0), (0, 0), (1, 1), (2.0, 2), (3, 3), (20, 3)])
def test_which_runs_are_corrected_together(runs: float | None, bucket: int) -> None:
    assert bucket_of(runs) == bucket


def test_only_what_changed_is_given_out_once() -> None:
    calibration = Calibration()
    add(calibration, 1, a_task())
    add(calibration, 2, a_task(), bucket=3)
    add(calibration, 3, a_task(), bucket=3)
    assert [key for key, _ in calibration.close(0)] == ["a|1|80|p0", "a|3|80|p0"]
    assert list(calibration.close(0)) == []
    for number in range(200):
        add(calibration, number, a_task(10))
    assert len(list(calibration.close(0))) == 1
    add(calibration, 101, a_task(5))
    assert list(calibration.close(0)) == []


def test_intervals_of_another_rule_or_bucket_are_not_counted() -> None:
    calibration = Calibration()
    add(calibration, 1, a_task(), rule=2)
    add(calibration, 1, a_task(), bucket=4)
    assert list(calibration.close(0)) == []


def test_the_version_that_has_rested_longest_is_forgotten() -> None:
    calibration = Calibration()
    for number in range(16):
        add(calibration, number, a_task(1000 + number), sha256=f"s{number:02}")
    list(calibration.close(2))
    add(calibration, 99, a_task(9000), sha256="s00")
    add(calibration, 99, a_task(9001), sha256="new")

    written = dict(calibration.close(2))

    assert written["s01|1|80|p2"] is None
    assert {key for key, record in written.items() if record} == {"s00|1|80|p2", "new|1|80|p2"}
    assert len(calibration.windows) == 16


class Record:
    """A record of interval-corrections."""

    topic, timestamp, headers = "interval-corrections", 0, ()

    def __init__(self, offset: int, key: str, value: bytes | None, partition: int = 0) -> None:
        self.offset, self.key, self.value, self.partition = offset, key.encode(), value, partition


def a_record(offset: int, *, n: int, value: float, partition: int = 0, **changes: Any) -> Record:
    given: dict[str, Any] = {
        "sha256": "a", "bucket": 1, "level": 80, "partition": partition, "n": n,         "miss_share": 0.2, "correction": value,
    }  # fmt: skip
    record = IntervalCorrection(**(given | changes))
    key = f"{record.sha256}|{record.bucket}|{record.level}|p{partition}"
    return Record(offset, key, codec.encode(record), partition)


def table(*records: Record) -> Corrections:
    corrections = Corrections()
    for record in records:
        corrections.apply(record)
    return corrections


def test_a_partitions_own_tasks_count_beside_the_average_of_all() -> None:
    one, other = a_record(0, n=30, value=0.4), a_record(0, n=10, value=0.0, partition=1)
    for corrections in (table(one, other), table(other, one)):
        assert corrections.of("a", 0) == {(1, 80): pytest.approx((30 * 0.4 + 10 * 0.3) / 40)}
        assert corrections.of("a", 1) == {(1, 80): pytest.approx(10 * 0.3 / 20)}
        assert corrections.of("a", 2) == {(1, 80): pytest.approx(0.3)}
        assert corrections.of("b", 0) == {}


def test_the_latest_record_of_a_key_counts() -> None:
    corrections = table(a_record(0, n=1, value=0.1), a_record(1, n=2, value=0.5))
    corrections.apply(a_record(0, n=1, value=0.1))
    assert corrections.of("a", 0) == {(1, 80): 0.5}
    corrections.apply(Record(2, "a|1|80|p0", None))
    assert corrections.of("a", 0) == {}


@pytest.mark.parametrize(
    "bad",
    [
        Record(1, "a|1|80|p0", b"{"),
        Record(
            1, "a|1|80|p0", codec.encode(Interval(low_s=0, high_s=0, own_low_s=0, own_high_s=0))
        ),
        Record(1, "a|1|80|p0", a_record(1, n=1, value=0.3, rule=2).value),
        Record(1, "a|1|80|p0", a_record(1, n=1, value=0.3, sha256="b").value),
    ],
)
def test_a_record_that_is_no_correction_takes_away_the_one_before(bad: Record) -> None:
    corrections = table(a_record(0, n=9, value=0.5), bad)
    assert corrections.of("a", 0) == corrections.of("b", 0) == {}

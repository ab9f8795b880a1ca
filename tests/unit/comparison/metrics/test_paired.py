"""The comparison with every baseline, of the topic's records, against pandas."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.comparison.build import Record, config, features, finished, predicted, run, started

from gnomon.comparison.metrics.against import against_baselines
from gnomon.comparison.metrics.merge import merge_metrics
from gnomon.comparison.metrics.paired import against_of, paired_sums
from gnomon.comparison.metrics.version_figures import version_figures

BASELINES = ["control", "same-type", "type"]
seconds = st.none() | st.integers(0, 900).map(float)
shares = st.none() | st.integers(0, 100).map(lambda n: n / 100)
tasks = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["ada", "bob"]),
        "y": st.integers(0, 900).map(float),
        "ok": st.booleans(),
        **{name: st.tuples(seconds, shares) for name in [*BASELINES, "m"]},
        "silent": st.sampled_from([None, *BASELINES]),
    }
)
Row = dict[str, Any]


def records_of(rows: list[Row]) -> list[Record]:
    made: list[Record] = []
    for number, row in enumerate(rows):
        task, agent = f"t{number}", str(row["agent"])
        names = [name for name in [*BASELINES, "m"] if name != row["silent"]]
        made += [started(task, agent=agent), features(task, agent=agent)]
        for name in names:
            duration_s, probability = row[name]
            made.append(
                predicted(
                    task,
                    agent=agent,
                    of=len(names),
                    model=name,
                    duration_s=duration_s,
                    probability=probability,
                )
            )
        made.append(finished(task, 1, agent=agent, duration_s=row["y"], succeeded=row["ok"]))
    return made


def frame_of(rows: list[Row]) -> pd.DataFrame:
    """Absolute and squared errors of each predictor by task; missing where it did not predict."""
    frame = pd.DataFrame(index=range(len(rows)))
    for name in [*BASELINES, "m"]:
        pairs = [(None, None) if row["silent"] == name else row[name] for row in rows]
        y, ok = pd.Series([row["y"] for row in rows]), pd.Series([row["ok"] for row in rows])
        frame[f"{name} s"] = (pd.Series([p[0] for p in pairs], dtype=float) - y).abs()
        q = pd.Series([p[1] for p in pairs], dtype=float)
        frame[f"{name} b"] = (q - ok.astype(float)) ** 2
    return frame


@settings(max_examples=40, deadline=None)
@given(st.lists(tasks, min_size=1, max_size=25), st.integers(1, 30))
def test_every_baseline_is_compared_on_the_tasks_that_both_predicted(
    rows: list[Row], size: int
) -> None:
    records = records_of(rows)
    batches = [records[at : at + size] for at in range(0, len(records), size)]
    seen = run(*batches, settings=config())
    record = seen.metrics[b"m|0|all|all|p3"]
    against, strongest = against_of(paired_sums(record))
    assert (against, strongest) == against_baselines(seen.comparisons, model="m", version="0")
    frame = frame_of(rows)
    for name in BASELINES:
        both = frame[["m s", f"{name} s"]].dropna()
        briers = frame[["m b", f"{name} b"]].dropna()
        assert (name in against) == bool(len(both) or len(briers))
        if name in against:
            found = against[name]
            assert (found.n, found.n_success) == (len(both), len(briers))
            expected = [*both.mean(), *briers.mean()]
            got = [found.mae_s, found.baseline_mae_s, found.brier, found.baseline_brier]
            assert [float("nan") if each is None else each for each in got] == pytest.approx(
                expected, abs=1e-5, nan_ok=True
            )
    timed = frame[frame["m s"].notna()]
    enough = [n for n in BASELINES if len(timed) and timed[f"{n} s"].notna().mean() >= 0.5]
    common = timed[[f"{name} s" for name in enough]].dropna()
    if strongest is None:
        assert common.empty
    else:
        assert common[f"{strongest} s"].mean() == pytest.approx(common.mean().min())
    assert record.strongest == strongest
    assert (strongest is not None and against[strongest].improvement) == (
        strongest is not None and record.improvement_over.get(strongest)
    )


def test_a_window_that_tasks_have_left_has_no_groups() -> None:
    row: Row = {"agent": "ada", "y": 5.0, "ok": True, "silent": None}
    row |= dict.fromkeys([*BASELINES, "m"], (4.0, 0.5))
    later = [started("u", 30 * 3_600_000, agent="bob")]
    seen = run(records_of([row]), later, settings=config(expire_after_ms=86_400_000))
    assert seen.metrics[b"m|0|all|24h|p3"].paired_errors == {}
    assert seen.metrics[b"m|0|all|all|p3"].paired_errors == {
        "control+same-type+type": [1, 1_000_000, 1_000_000, 1_000_000, 1_000_000]
    }


def test_a_baseline_is_not_compared_with_itself() -> None:
    row: Row = {"agent": "ada", "y": 5.0, "ok": True, "silent": "type"}
    row |= dict.fromkeys([*BASELINES, "m"], (4.0, 0.5))
    seen = run(records_of([row]))
    against, strongest = against_baselines(seen.comparisons, model="control", version="0")
    assert (set(against), strongest) == ({"same-type"}, "same-type")
    assert seen.metrics[b"control|0|all|all|p3"].paired_errors == {}


def test_figures_name_the_strongest_over_all_partitions() -> None:
    """Of 35 tasks of two agents, only one agent has enough for its coverage to be told."""
    rows: list[Row] = []
    for number in range(35):
        row: Row = {"agent": "ada" if number < 31 else "bob", "y": 10.0, "ok": True, "silent": None}
        row |= {"control": (30.0, 0.5), "same-type": (14.0, 0.9), "type": (None, None)}
        rows.append(row | {"m": (11.0, 0.9)})
    parts = [run(records_of(half)).metrics.values() for half in (rows[:31], rows[31:])]
    latest = [record for part in parts for record in part]
    (found,) = (each for each in version_figures(latest) if each.model == "m")
    assert found.strongest == "same-type"
    assert found.improvement == pytest.approx(1 - 1 / 4)
    assert found.against["control"].improvement == pytest.approx(1 - 1 / 20)
    assert len(merge_metrics(latest)) == len({(r.model, r.slice, r.window) for r in latest})

"""Every figure of the report, recomputed from the records by pandas, numpy, scipy and river."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
from river import drift as river
from tests.unit.drift.oracle import psi_by_pandas
from tests.unit.verdict.report.detailed import AGENTS, detailed
from tests.unit.verdict.report.drill_reports import NOW_MS, rounds, write_drills
from tests.unit.verdict.report.page_reader import (
    chart,
    dots,
    frame_of,
    line_heights,
    numbers,
    page_of,
    table_after,
    write_comparisons,
)

ALPHA, T_STAR = 0.05, 300
PERCENT = 0.000_51  # what rounding to a tenth of a per cent may cost


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ET.Element]:
    folder = tmp_path_factory.mktemp("report")
    write_drills(folder / "drills.json")
    path = write_comparisons(folder / "c.jsonl", detailed().rows)
    now = pd.Timestamp(NOW_MS, unit="ms").isoformat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNOMON_DATA_DIR", str(folder / "data"))
        yield page_of(path, "--drills", str(folder / "drills.json"), "--now", now)


def predicted() -> Any:
    frame = detailed().frame
    return frame[frame.has_model]


def matched() -> Any:
    frame = predicted()
    return frame[(frame.status == "matched") & frame.model.notna()]


def is_mature(tasks: Any) -> Any:
    """Whether an agent's newest decision is later than the task's start by the maturity."""
    frame = detailed().frame
    first = frame[frame.status == "matched"].head(200).y
    mature_ms = math.ceil(float(np.quantile(first, 0.99, method="inverted_cdf")) * 1000)
    newest_ms = frame[["start_ms", "end_ms"]].max(axis=1).groupby(frame.agent).max()
    return tasks.start_ms + mature_ms <= tasks.agent.map(newest_ms)


def scored() -> Any:
    """Tasks with both losses: mature ones that ended, and expired ones by their age."""
    frame = predicted()
    mature = (frame.status == "matched") & is_mature(frame)
    frame = frame[(mature | (frame.status == "expired")) & frame.model.notna()]
    actual = np.where(frame.status == "expired", frame.age_s, frame.y)
    losses = {
        name: np.minimum(abs(np.log1p(frame[said]) - np.log1p(actual)), math.log(10))
        for name, said in (("b", "base"), ("c", "model"))
    }
    return frame.assign(**losses)


def half_width(t: int) -> float:
    rho2 = (-2 * math.log(2 * ALPHA) + math.log(1 - 2 * math.log(2 * ALPHA))) / T_STAR
    w = t * rho2 + 1
    return math.sqrt(2 * w / (t * t * rho2) * math.log(1 + math.sqrt(w) / (2 * ALPHA)))


def interval(tasks: Any) -> tuple[float, float]:
    blocks = tasks.groupby(["agent", "hour"])[["b", "c"]].sum()

    def bound(delta: float, sign: int) -> float:
        z = (1 - delta) * blocks.b - blocks.c
        totals = z.groupby("hour").sum()
        t, h, off = len(z), len(totals), totals - totals.mean()
        r = float((off.to_numpy()[:-1] * off.to_numpy()[1:]).sum() / (off**2).sum())
        r = min(max(r + (1 + 3 * abs(r)) / h, 0), 0.9)
        hourly = totals.var() * h / t
        variance = max(z.var(), hourly * max(1, (1 + r) / (1 - r)))
        return float(z.mean() + sign * math.sqrt(variance) * half_width(t))

    estimate = 1 - blocks.c.sum() / blocks.b.sum()
    low = scipy.optimize.brentq(lambda d: bound(d, -1), -9, estimate)
    high = scipy.optimize.brentq(lambda d: bound(d, 1), estimate, 1)
    return low, high


def e_value(tasks: Any) -> float:
    """The half-normal mixture over the hours' totals."""
    totals = tasks.groupby("hour")[["b", "c"]].sum()
    z, t = totals.c - totals.b, len(totals)
    rho2 = (-2 * math.log(2 * ALPHA) + math.log(1 - 2 * math.log(2 * ALPHA))) / T_STAR
    prior = scipy.stats.halfnorm(scale=math.sqrt(rho2))
    s = float(z.sum() / z.std())
    found, _ = scipy.integrate.quad(
        lambda x: prior.pdf(x) * math.exp(x * s - x * x * t / 2), 0, 3, limit=200
    )
    return float(found)


@pytest.mark.parametrize(("heading", "column"), [("By agent", "agent"), ("By task type", "type")])
def test_slices_are_those_of_pandas(root: ET.Element, heading: str, column: str) -> None:
    label = heading.removeprefix("By ")
    shown = {row[label]: row for row in table_after(root, heading)}
    groups = dict(tuple(scored().groupby(column)))
    assert set(shown) == set(groups)
    e_values = {name: e_value(tasks) for name, tasks in groups.items()}
    ranked = sorted(e_values.values(), reverse=True)
    sizes = [k for k, e in enumerate(ranked, 1) if e * k / len(ranked) >= 1 / ALPHA]
    harmed = sorted(e_values, key=lambda name: -e_values[name])[: max(sizes, default=0)]
    for name, tasks in groups.items():
        row = shown[name]
        assert int(row["decisions"]) == len(tasks)
        assert int(row["agent-hours"]) == tasks.groupby(["agent", "hour"]).ngroups
        estimate = 1 - tasks.c.sum() / tasks.b.sum()
        assert numbers(row["better by"]) == [pytest.approx(estimate, abs=PERCENT)]
        assert numbers(row["bounds"]) == [pytest.approx(x, abs=PERCENT) for x in interval(tasks)]
        assert float(row["e-value of harm"]) == pytest.approx(e_values[name], rel=0.006)
        assert (row["harmed"] == "surely") == (name in harmed)
    if column == "agent":
        assert harmed == ["worse"]
        assert next(iter(shown)) == "worse"


def test_the_forest_is_drawn_where_the_table_says(root: ET.Element) -> None:
    picture = chart(root, "Improvement by agent")
    rows = table_after(root, "By agent")
    found = dots(picture, -1, 1)
    assert found == [
        pytest.approx(max(-1, numbers(row["better by"])[0]), abs=0.002) for row in rows
    ]
    assert [row["agent"] for row in rows if row["harmed"]] == ["worse"]
    colours = [c.get("class") for c in picture.iter("{http://www.w3.org/2000/svg}circle")]
    assert colours == ["bad"] + ["model"] * (len(AGENTS) - 1)


def test_coverage_is_that_of_pandas(root: ET.Element) -> None:
    tasks = matched()
    for row, level in zip(table_after(root, "Intervals"), (80, 90), strict=True):
        low, high = tasks[f"low{level}"], tasks[f"high{level}"]
        inside = (low <= tasks.y) & (tasks.y <= high)
        rolling = inside.rolling(200).mean()
        assert row["interval"] == f"{level} %"
        assert int(row["tasks"]) == len(tasks)
        assert numbers(row["inside"]) == [pytest.approx(inside.mean(), abs=PERCENT)]
        ends = [rolling.min(), rolling.max()]
        assert numbers(row["any 200 in a row"]) == [pytest.approx(x, abs=PERCENT) for x in ends]
        by_agent = inside.groupby(tasks.agent).mean()
        assert numbers(row["worst agent"]) == [pytest.approx(by_agent.min(), abs=PERCENT)]
        assert by_agent.idxmin() in row["worst agent"]
        factor = math.exp((np.log1p(high) - np.log1p(low)).mean())
        assert float(row["high / low, typical"]) == pytest.approx(factor, rel=0.005)
    picture = chart(root, "Coverage of the intervals over time")
    inside = (tasks.low80 <= tasks.y) & (tasks.y <= tasks.high80)
    rolling = inside.rolling(200).mean().to_numpy()
    lowest = min(0.5, *_noted(rolling), *_noted(_covered(tasks, 90)))
    assert line_heights(picture, 1, lowest, 1.0) == [
        pytest.approx(x, abs=0.002) for x in _noted(rolling)
    ]


def _covered(tasks: Any, level: int) -> Any:
    inside = (tasks[f"low{level}"] <= tasks.y) & (tasks.y <= tasks[f"high{level}"])
    return inside.rolling(200).mean().to_numpy()


def _noted(rolling: Any) -> list[float]:
    """Every tenth mean, once there are 200 values."""
    return [float(rolling[k]) for k in range(199, len(rolling)) if (k + 1) % 10 == 0]


def scaled(said: Any, y: Any) -> Any:
    return np.minimum(abs(np.log((said + 1) / (y + 1))) / math.log(10), 1.0)


def test_losses_and_their_changes_are_those_of_river(root: ET.Element) -> None:
    tasks = matched()
    losses = scaled(tasks.model, tasks.y)
    theirs = river.ADWIN(), river.PageHinkley(30, 0.05, 10.0, 0.9999, "up")
    at_ms = []
    for loss, start_ms in zip(losses, tasks.start_ms, strict=True):
        for detector in theirs:
            detector.update(loss)
        if any(detector.drift_detected for detector in theirs):
            at_ms.append(int(start_ms))
    assert at_ms
    text = " ".join(" ".join(root.itertext()).split())
    latest = pd.Timestamp(at_ms[-1], unit="ms").strftime("%Y-%m-%d %H:%M UTC")
    assert f"{len(at_ms)} changes of the mean loss, the latest at {latest}" in text
    picture = chart(root, "Mean loss over time, with changes")
    lines = list(picture.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == len(at_ms) + 2
    means = [
        scaled(tasks[said], tasks.y).rolling(200).mean().to_numpy() for said in ("base", "model")
    ]
    top = 1.1 * max(x for mean in means for x in _noted(mean))
    for number, mean in zip((-2, -1), means, strict=True):
        assert line_heights(picture, number, 0.0, top) == [
            pytest.approx(x, abs=0.002) for x in _noted(mean)
        ]
    left, _, right, _ = frame_of(picture)
    noted_ms = tasks.start_ms.to_numpy()[[k for k in range(199, len(tasks)) if (k + 1) % 10 == 0]]
    first, last = noted_ms.min(), noted_ms.max()
    for line, at in zip(lines, at_ms, strict=False):
        expected = left + (right - left) * min(1.0, max(0.0, (at - first) / (last - first)))
        assert float(line.attrib["points"].split(",")[0]) == pytest.approx(expected, abs=0.06)


def test_features_are_those_of_pandas_and_scipy(root: ET.Element) -> None:
    frame = detailed().frame
    first_ms = predicted().start_ms.min()
    then = frame[(~frame.has_model) & (frame.end_ms <= first_ms) & (frame.status == "matched")]
    now = predicted().tail(1000)
    shown = {row["feature"]: row for row in table_after(root, "Drift")}
    for name, column in (
        ("tasks_completed_1h", "completed"),
        ("avg_execution_time_1h", "average_s"),
        ("estimate_s", "estimate_s"),
    ):
        before, after = (each[column].to_numpy(float) for each in (then, now))
        psi = psi_by_pandas(before, after)
        assert float(shown[name]["PSI"]) == pytest.approx(psi, abs=0.000_51)
        known = before[~np.isnan(before)], after[~np.isnan(after)]
        distance = scipy.stats.wasserstein_distance(*known) / known[0].std()
        found = float(shown[name]["distance, standard deviations"])
        assert found == pytest.approx(distance, abs=0.006)
        large, notable = psi >= 0.25 or distance >= 0.5, psi >= 0.1 or distance >= 0.1
        word = "reason to retrain" if large else "information" if notable else "steady"
        assert shown[name]["meaning"] == word
    assert next(iter(shown)) == "tasks_completed_1h"
    assert shown["success_rate_1h"]["distance, standard deviations"] == ""
    text = " ".join(" ".join(root.itertext()).split())
    assert f"The last 1000 decisions are compared with {len(then)} that had ended" in text


def test_the_ledger_is_that_of_pandas(root: ET.Element) -> None:
    frame = predicted()
    (row,) = table_after(root, "Ledger")
    counts = frame.status.value_counts()
    assert {name: int(row[name]) for name in counts.index} == dict(counts)
    assert int(row["predicted"]) == len(frame) == sum(counts)
    ended = frame[frame.status == "matched"]
    mature = ended[is_mature(ended)]
    assert int(row["immature"]) == len(ended) - len(mature)
    assert int(row["of matched: scored"]) == mature.model.notna().sum()
    assert int(row["without a predicted duration"]) == mature.model.isna().sum()


def test_impact_and_drills_are_those_of_their_reports(root: ET.Element) -> None:
    without, with_client = rounds(0), rounds(2)
    for row in table_after(root, "Impact on production"):
        name = f"{row['latency'][:3]}_ms"
        pairs = [
            (getattr(a, name), getattr(b, name)) for a, b in zip(without, with_client, strict=True)
        ]
        expected = np.median(pairs, axis=0)
        ratio = math.exp(np.mean([math.log(b / a) for a, b in pairs]))
        assert numbers(row["without the client"]) == [pytest.approx(expected[0], abs=0.006)]
        assert numbers(row["with it"]) == [pytest.approx(expected[1], abs=0.006)]
        assert numbers(row["ratio"]) == [pytest.approx(ratio, abs=0.006)]
    drills = {row["drill"]: row for row in table_after(root, "Drills")}
    assert set(drills) == {"alert", "isolation", "rollback"}
    assert (drills["rollback"]["age"], drills["alert"]["age"]) == ("3.0 days", "0.5 days")
    assert drills["rollback"]["measured"] == "1.25 s until all had switched"
    assert [drills[name]["outcome"] for name in sorted(drills)] == ["failed", "failed", "passed"]


def test_the_whole_picture_of_predictions_is_that_of_numpy(root: ET.Element) -> None:
    """Shares of the residuals, by their bars; the counts behind the others have tests of their own."""
    tasks = matched()
    picture = chart(root, "Residuals")
    _, top, _, bottom = frame_of(picture)
    bars = [
        float(each.attrib["height"]) / (bottom - top)
        for each in picture.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("class") == "model"
    ]
    bins = np.r_[-np.inf, (np.arange(40) - 19.5) / 8, np.inf]
    shares = [
        np.histogram(np.log((tasks[said] + 1) / (tasks.y + 1)), bins)[0] / len(tasks)
        for said in ("model", "base")
    ]
    most = 1.05 * max(shares[0].max(), shares[1].max())
    assert bars == [pytest.approx(share / most, abs=0.001) for share in shares[0]]


def brier() -> Any:
    tasks = matched()
    tasks = tasks[is_mature(tasks)]
    return tasks.assign(b=(0.6 - tasks.ok) ** 2, c=(tasks.q - tasks.ok) ** 2)


def seconds() -> Any:
    tasks, frame = scored(), detailed().frame
    first = frame[frame.status == "matched"].head(200)
    clip = float(np.quantile(abs(first.base - first.y), 0.99, method="inverted_cdf"))
    actual = np.where(tasks.status == "expired", tasks.age_s, tasks.y)
    return tasks.assign(
        b=np.minimum(abs(tasks.base - actual), clip), c=np.minimum(abs(tasks.model - actual), clip)
    )


@pytest.mark.parametrize(
    ("loss", "of"), [("log_loss", scored), ("seconds", seconds), ("brier", brier)]
)
def test_the_comparison_with_control_is_that_of_pandas(
    root: ET.Element, loss: str, of: Callable[[], Any]
) -> None:
    tasks = of()
    rows = table_after(root, "Against each baseline")
    (row,) = [row for row in rows if row["baseline, loss"] == f"control, {loss}"]
    estimate = 1 - tasks.c.sum() / tasks.b.sum()
    assert numbers(row["better by"]) == [pytest.approx(estimate, abs=PERCENT)]
    bounds = [pytest.approx(x, abs=PERCENT) for x in interval(tasks)]
    assert numbers(row["these agents"]) == bounds
    places = dots(chart(root, "Improvement against each baseline, with bounds"), -1, 1)
    assert places[rows.index(row)] == pytest.approx(estimate, abs=0.002)


def test_the_summary_and_the_evidence_are_those_of_pandas(root: ET.Element) -> None:
    tasks = scored()
    ended = tasks[tasks.status == "matched"]
    (row,) = table_after(root, "May a model steer agents?")
    hours = tasks.hour.nunique()
    assert (int(row["decisions"]), int(row["active hours"])) == (len(ended), hours)
    text = " ".join(" ".join(root.itertext()).split())
    blocks = tasks.groupby(["agent", "hour"]).ngroups
    assert f"of 6 agents in {blocks} agent-hours and {hours} active hours" in text
    within = (abs(ended.model - ended.y) <= 0.25 * ended.y).mean()
    assert f"{100 * within:.1f} % of the durations were predicted to within 25 %" in text
    evidence = line_heights(
        chart(root, "Improvement of log loss over time, with bounds"), 2, -0.5, 1.0
    )
    by_hour = tasks.groupby("hour")[["b", "c"]].sum().cumsum()
    expected = 1 - by_hour.c / by_hour.b
    assert evidence == [pytest.approx(x, abs=0.003) for x in expected]


def test_reliability_is_drawn_where_pandas_says(root: ET.Element) -> None:
    tasks = matched()
    tenths = tasks.groupby((tasks.q * 10).astype(int))
    picture = chart(root, "Reliability of the probability of success")
    _, top, _, bottom = frame_of(picture)
    assert dots(picture, 0, 1) == [pytest.approx(x, abs=0.001) for x in tenths.q.mean()]
    came = [
        (bottom - float(each.attrib["cy"])) / (bottom - top)
        for each in picture.iter("{http://www.w3.org/2000/svg}circle")
    ]
    assert came == [pytest.approx(x, abs=0.001) for x in tenths.ok.mean()]


def test_the_map_of_durations_is_as_dark_as_numpy_counts(root: ET.Element) -> None:
    tasks = matched()
    edges = 10.0 ** (np.arange(29) / 4 - 1)
    cells = np.histogram2d(tasks.y, tasks.model, [np.r_[0, edges[1:-1], np.inf]] * 2)[0]
    picture = chart(root, "Predicted beside actual durations")
    shown = [
        float(each.attrib["fill-opacity"])
        for each in picture.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("class") == "model"
    ]
    counts = cells[cells > 0]
    assert shown == [pytest.approx(0.15 + 0.85 * n / counts.max(), abs=0.006) for n in counts]
    assert f"The darkest cell has {counts.max():.0f} decisions" in "".join(root.itertext())

"""Every figure of the pages, recomputed by pandas from the rows of the store."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from tests.integration.dashboard.conftest import NOW_MS

from gnomon.dashboard.views.agents import agent_page, agents
from gnomon.dashboard.views.drift import losses
from gnomon.dashboard.views.live import flow, ledger_sum
from gnomon.dashboard.views.models import ENOUGH, compared, detail
from gnomon.dashboard.views.vault import vault_page
from gnomon.dashboard.views.verdict import NEEDED, wall
from gnomon.dashboard.window import DAY_MS, HOUR_MS
from gnomon.events import Ledger
from gnomon.store.queries import FigureQueries

SINCE_MS, UNTIL_MS = NOW_MS - 3 * DAY_MS, NOW_MS - HOUR_MS // 2
PERIOD = {"since_ms": SINCE_MS, "until_ms": UNTIL_MS}


@pytest.fixture
def figures(full_store: str) -> Iterator[FigureQueries]:
    with closing(FigureQueries(full_store)) as queries:
        yield queries


def exported(full_store: str, name: str, *, within: bool = True) -> pd.DataFrame:
    with closing(sqlite3.connect(full_store.removeprefix("sqlite:///"))) as connection:
        rows = pd.read_sql(f"SELECT * FROM {name}", connection)  # noqa: S608
    return rows[rows.ended_at_ms.between(SINCE_MS, UNTIL_MS - 1)] if within else rows


def test_flow(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_tasks")
    found = flow(figures, **PERIOD, bucket_ms=2 * HOUR_MS)
    counts = rows.status.value_counts()
    assert (found.tasks, found.matched) == (len(rows), counts["matched"])
    assert (found.expired, found.cancelled) == (counts["expired"], counts["cancelled"])
    assert found.completeness == pytest.approx(rows.completeness.mean())
    assert found.incomplete == (rows.completeness < 1).sum()
    begins = rows.ended_at_ms // (2 * HOUR_MS) * (2 * HOUR_MS)
    per_s = rows.groupby([begins, "status"]).size() / 7_200
    shown = {(each.at_ms, each.status): each.per_s for each in found.rates}
    assert {of: n for of, n in shown.items() if n} == pytest.approx(per_s.to_dict())
    by_bucket = rows.groupby(begins).completeness
    np.testing.assert_allclose([s.mean_completeness or 0 for s in found.seen], by_bucket.mean())
    assert [s.n for s in found.seen] == by_bucket.count().tolist()
    assert [s.incomplete for s in found.seen] == by_bucket.agg(lambda c: (c < 1).sum()).tolist()
    assert found.last_ms == exported(full_store, "gnomon_tasks", within=False).ended_at_ms.max()


def test_agents(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_tasks")
    found = agents(figures, **PERIOD)
    assert {each.name: each.tasks for each in found} == rows.groupby("agent").size().to_dict()
    assert [each.tasks for each in found] == sorted((e.tasks for e in found), reverse=True)


def test_one_agent(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_tasks")
    agent = rows[rows.ended_at_ms >= UNTIL_MS - HOUR_MS].agent.mode()[0]
    rows = rows[rows.agent == agent]
    page = agent_page(figures, agent, **PERIOD)
    hour = rows[(rows.ended_at_ms >= UNTIL_MS - HOUR_MS) & (rows.ended_at_ms < UNTIL_MS)]
    matched = hour[hour.status == "matched"]
    assert page.tasks == len(rows)
    assert (page.hour.tasks, page.hour.finished) == (len(hour), len(matched))
    assert page.hour.mean_duration_s == pytest.approx(matched.duration_s.mean())
    assert page.hour.success_rate == pytest.approx(matched.succeeded.mean())
    predicted = exported(full_store, "gnomon_predictions")
    predicted = predicted[predicted.agent == agent]
    assert len(page.predicted) == len(predicted)
    by_key = predicted.set_index(["decision_id", "version"])
    for shown in page.predicted:
        row = by_key.loc[(shown.decision_id, shown.version)]
        assert (shown.task_type, shown.status, shown.ended_at_ms) == (
            row.task_type,
            row.status,
            row.ended_at_ms,
        )
        for name in ("predicted_s", "low_80_s", "high_80_s", "duration_s", "success_probability"):
            number = getattr(shown, name)
            assert number == row[name] or (number is None and np.isnan(row[name]))
    assert [each.ended_at_ms for each in page.predicted] == sorted(
        predicted.ended_at_ms, reverse=True
    )
    for model in page.models:
        of = predicted[predicted.version == model.version]
        assert model.mean_width_80_s == pytest.approx((of.high_80_s - of.low_80_s).mean())
        of = of.dropna(subset=["duration_s"])
        inside = of.duration_s.between(of.low_80_s, of.high_80_s)
        assert model.n_80 == len(of)
        assert model.coverage_80 == pytest.approx(inside.mean())
        assert model.n_paired == of.control_s.notna().sum()
        assert model.paired_mae_s == pytest.approx((of.predicted_s - of.duration_s).abs().mean())
        assert model.control_mae_s == pytest.approx((of.control_s - of.duration_s).abs().mean())
    assert page.last_ms == predicted.ended_at_ms.max()


def test_models(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_predictions")
    found = {each.version: each for each in compared(figures, **PERIOD)}
    assert set(found) == {"4", "5"}
    for version, of in rows.groupby("version"):
        paired = of.dropna(subset=["error_s", "control_error_s"])
        model = found[str(version)]
        errors = (paired.predicted_s - paired.duration_s).abs()
        controls = (paired.control_s - paired.duration_s).abs()
        assert model.n_paired == len(paired) >= ENOUGH
        assert model.n == of.duration_s.notna().sum()
        assert model.mae_s == pytest.approx(errors.mean())
        assert model.control_mae_s == pytest.approx(controls.mean())
        inside = paired.duration_s.between(paired.low_80_s, paired.high_80_s)
        assert model.coverage_80 == pytest.approx(inside.mean())
        assert model.improvement == pytest.approx(1 - errors.mean() / controls.mean())
        assert model.brier == pytest.approx(((of.success_probability - of.succeeded) ** 2).mean())


def test_too_few_tasks_hide_effects_and_not_counts(figures: FigureQueries) -> None:
    found = compared(figures, since_ms=NOW_MS - HOUR_MS // 2, until_ms=NOW_MS)
    assert found
    for each in found:
        assert 0 < each.n_paired < ENOUGH
        assert (each.mae_s, each.improvement, each.coverage_80, each.brier) == (None,) * 4


def test_calibration_and_residuals(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_predictions")
    rows = rows[rows.version == "5"].dropna(subset=["duration_s"])
    found = detail(figures, "gnomon", "5", **PERIOD)
    tenths = rows.groupby((rows.success_probability * 10).astype(int).clip(upper=9))
    assert [c.n for c in found.calibration] == tenths.size().tolist()
    means = [c.mean_probability for c in found.calibration]
    np.testing.assert_allclose(means, tenths.success_probability.mean())
    assert [c.succeeded for c in found.calibration] == tenths.succeeded.sum().tolist()
    bins = np.floor(2 * np.log2(rows.predicted_s / rows.duration_s)) / 2
    assert {r.low: r.n for r in found.residuals} == bins.value_counts().to_dict()


def test_losses(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_predictions").dropna(subset=["duration_s"])
    found = losses(figures, **PERIOD, bucket_ms=6 * HOUR_MS)
    loss = (np.log1p(rows.predicted_s) - np.log1p(rows.duration_s)).abs().clip(upper=np.log(10))
    by = loss.groupby([rows.ended_at_ms // (6 * HOUR_MS) * (6 * HOUR_MS), "gnomon " + rows.version])
    enough = by.mean()[by.size() >= ENOUGH]
    assert {(e.at_ms, e.version): e.loss for e in found.points} == pytest.approx(enough.to_dict())
    control = (np.log1p(rows.control_s) - np.log1p(rows.duration_s)).abs().clip(upper=np.log(10))
    of_control = control.groupby(
        [rows.ended_at_ms // (6 * HOUR_MS) * (6 * HOUR_MS), "gnomon " + rows.version]
    ).mean()[by.size() >= ENOUGH]
    assert {(e.at_ms, e.version): e.control_loss for e in found.points} == pytest.approx(
        of_control.to_dict()
    )
    assert sum(e.n for e in found.points) == by.size()[by.size() >= ENOUGH].sum()
    assert found.points
    assert found.hidden == (by.size() < ENOUGH).sum()


def test_losses_of_few_tasks_are_taken_together(figures: FigureQueries, full_store: str) -> None:
    minute_ms = 60_000
    rows = exported(full_store, "gnomon_predictions").dropna(subset=["duration_s", "control_s"])
    found = losses(figures, **PERIOD, bucket_ms=15 * minute_ms)
    assert found.bucket_ms == 180 * minute_ms  # 12 tasks an hour: the first with 30 in most buckets
    loss = (np.log1p(rows.predicted_s) - np.log1p(rows.duration_s)).abs().clip(upper=np.log(10))
    begins = rows.ended_at_ms // found.bucket_ms * found.bucket_ms
    by = loss.groupby([begins, "gnomon " + rows.version])
    enough = by.mean()[by.size() >= ENOUGH]
    assert {(e.at_ms, e.version): e.loss for e in found.points} == pytest.approx(enough.to_dict())
    assert len(found.points) >= found.hidden > 0


def test_vault(figures: FigureQueries, full_store: str) -> None:
    rows = exported(full_store, "gnomon_tasks", within=False)
    found = vault_page(figures)
    assert found.decisions == len(rows)
    assert {e.status: e.decisions for e in found.by_status} == rows.status.value_counts().to_dict()
    by = rows.groupby(["scope", "status"]).ended_at_ms
    assert {(e.scope, e.status): e.first_ms for e in found.by_status} == by.min().to_dict()
    assert {(e.scope, e.status): e.last_ms for e in found.by_status} == by.max().to_dict()
    keys = (
        exported(full_store, "gnomon_keys", within=False).groupby(["scope", "state"]).created_at_ms
    )
    assert {(e.scope, e.state): e.keys for e in found.keys} == keys.count().to_dict()
    assert {(e.scope, e.state): e.oldest_ms for e in found.keys} == keys.min().to_dict()
    assert {(e.scope, e.state): e.newest_ms for e in found.keys} == keys.max().to_dict()
    assert found.oldest_active_ms == NOW_MS - DAY_MS


def test_wall(figures: FigureQueries, full_store: str) -> None:
    verdicts = exported(full_store, "gnomon_verdicts", within=False)
    last = verdicts.sort_values("hour").groupby("version").tail(1).set_index("version")
    found = {card.version: card for card in wall(figures, **PERIOD).running}
    assert set(found) == {"5", "6"}
    for version, card in found.items():
        row = last.loc[version]
        assert (card.word, card.decisions, card.active_hours) == (
            row.word,
            row.decisions,
            row.active_hours,
        )
        assert ",".join(card.blocked_by) == row.blocked_by
        assert (card.harmed_agents, card.at_ms) == (row.harmed_agents, row.at_ms)
        assert card.decides == ("decided" if row.word == "GO" else "≈ 31 h")
    old, young = found["5"], found["6"]
    assert (old.improvement, old.low) == (last.improvement["5"], last.improvement_low["5"])
    assert (young.improvement, young.low, young.high, young.points) == (None, None, None, [])
    assert "40 decisions" in young.hidden
    improvements = exported(full_store, "gnomon_improvements", within=False).query(
        "version == '5' and loss == 'log_loss' and low.notna()", engine="python"
    )
    hours = range(SINCE_MS // HOUR_MS, -(-UNTIL_MS // HOUR_MS))
    improvements = improvements[improvements.hour.isin(hours)]
    expected = improvements.set_index(["hour", "baseline"])[["estimate", "low", "high"]]
    points = pd.DataFrame(
        [(p.at_ms // HOUR_MS - 1, p.baseline, p.estimate, p.low, p.high) for p in old.points],
        columns=["hour", "baseline", "estimate", "low", "high"],
    ).set_index(["hour", "baseline"])
    pd.testing.assert_frame_equal(points.sort_index(), expected.sort_index())
    lines = exported(full_store, "gnomon_checklist", within=False)
    for version, card in found.items():
        of = lines[(lines.version == version) & (lines.hour == last.hour[version])]
        assert {(line.name, line.status) for line in card.checklist} == set(
            zip(of.name, of.status, strict=True)
        )
    same = verdicts[(verdicts.version == "5") & verdicts.hour.isin(hours)].sort_values("hour")
    changed = same[same.word != "GO"].hour.max()
    first = same.hour.min() if np.isnan(changed) else changed + 1
    assert old.since_ms == first * HOUR_MS
    assert NEEDED == 0.2


def test_the_checklist_begins_with_what_stands_in_the_way(figures: FigureQueries) -> None:
    cards = {card.version: card for card in wall(figures, **PERIOD).running}
    assert [(line.name, line.status) for line in cards["6"].checklist] == [
        ("decisions", "failed"),
        ("alerting drilled", "unknown"),
        ("improvement", "unknown"),
        ("no impact on production", "passed"),
    ]
    assert [line.figure for line in cards["6"].checklist] == ["40", "-", "-", "1.01 x"]
    assert [line.needed for line in cards["6"].checklist] == ["1,000", "30 d", "20.0 %", "1.05 x"]


def test_ledger() -> None:
    right = Ledger(partition=1, predictions=10, matched=5, pending=2, expired=2, cancelled=1)
    assert ledger_sum(right).difference == 0
    assert "partition" not in ledger_sum(right).counts
    assert ledger_sum(Ledger(partition=1, predictions=10, matched=8)).difference == 2

"""Tests of what dashboards ask: each figure against pandas, and the examples of the documentation."""

import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text
from tests.integration.store.figures.test_figures import metrics as a_metric
from tests.integration.store.figures.test_figures import records, some_decisions, table, written

from gnomon.errors import ConfigurationError
from gnomon.events import Ledger
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store.queries import HOUR_MS, FigureQueries, LedgerAt
from gnomon.vault import create_key_file

DOCUMENT = Path(__file__).parents[4] / "docs" / "store.md"
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture
async def settings(url: str, tmp_path: Path) -> Settings:
    """Of a store with 300 decisions."""
    create_key_file(tmp_path / "kek.key")
    settings = Settings(data_dir=str(tmp_path), store_url=url)
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    await stage.apply(None, records(some_decisions(300)))
    ledgers = [
        written(0, Ledger(partition=0, predictions=3, matched=3), at_ms=5 * HOUR_MS),
        written(1, a_metric(4), at_ms=6 * HOUR_MS),
    ]
    await stage.apply(None, ledgers)
    await stage.stop()
    return settings


def numbers(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    frame[list(columns)] = frame[list(columns)].astype(float)
    return frame


def test_models(settings: Settings) -> None:
    with closing(FigureQueries(settings.store_url)) as queries:
        found = {model.version: model for model in queries.models()}
    rows = numbers(
        table(settings, "gnomon_predictions"),
        *("error_s", "control_error_s", "loss", "brier", "duration_s", "low_80_s", "high_80_s"),
    )
    assert set(found) == set(rows.version) == {"4", "5"}
    for version, of in rows.groupby("version"):
        model, paired = found[str(version)], of.dropna(subset=["error_s", "control_error_s"])
        ends = of.dropna(subset=["duration_s", "low_80_s"])
        inside = ends.duration_s.between(ends.low_80_s, ends.high_80_s)
        assert (model.n, model.n_paired) == (of.error_s.count(), len(paired))
        assert model.mae_s == pytest.approx(of.error_s.mean())
        assert model.loss == pytest.approx(of.loss.mean())
        assert model.brier == pytest.approx(of.brier.mean())
        improvement = 1 - paired.error_s.mean() / paired.control_error_s.mean()
        assert model.improvement == pytest.approx(improvement)
        assert model.n_80 == len(ends)
        assert model.coverage_80 == pytest.approx(inside.mean())


def test_tasks_by_time_agent_and_type(settings: Settings) -> None:
    rows = numbers(table(settings, "gnomon_tasks"), "duration_s", "succeeded")
    with closing(FigureQueries(settings.store_url)) as queries:
        over_time = queries.tasks_over_time(bucket_ms=100)
        agents, types = queries.agents(), queries.task_types()
        one = queries.tasks_over_time(agent=agents[0].name, bucket_ms=HOUR_MS)
        stored = queries.stored()
    assert (stored.decisions, stored.last_ms) == (300, rows.ended_at_ms.max())
    by_bucket = rows.groupby(rows.ended_at_ms // 100 * 100)
    assert [each.bucket_ms for each in over_time] == list(by_bucket.groups)
    assert [each.tasks for each in over_time] == by_bucket.size().tolist()
    assert [each.succeeded for each in over_time] == by_bucket.succeeded.sum().tolist()
    means = [each.mean_duration_s for each in over_time]
    np.testing.assert_allclose(np.array(means, float), by_bucket.duration_s.mean())
    by_agent = rows.groupby("agent")
    assert {each.name: each.tasks for each in agents} == by_agent.size().to_dict()
    assert {each.name: each.last_ms for each in agents} == by_agent.ended_at_ms.max().to_dict()
    assert [each.expired for each in types] == [(rows.status == "expired").sum()]
    assert sum(each.tasks for each in one) == agents[0].tasks


def test_a_period_has_its_begin_and_not_its_end(settings: Settings) -> None:
    ends = sorted(table(settings, "gnomon_tasks").ended_at_ms)
    with closing(FigureQueries(settings.store_url)) as queries:
        found = queries.tasks_over_time(since_ms=ends[10], until_ms=ends[20])
    assert sum(each.tasks for each in found) == 10


def test_predicted_calibration_and_residuals(settings: Settings) -> None:
    rows = numbers(
        table(settings, "gnomon_predictions"),
        *("success_probability", "succeeded", "predicted_s", "duration_s"),
    )
    with closing(FigureQueries(settings.store_url)) as queries:
        newest = queries.predicted(most=5)
        agent = queries.agents()[0].name
        of_agent = queries.predicted(agent=agent, most=1_000)
        calibration = queries.calibration("gnomon", "4")
        residuals = queries.residuals("gnomon", "4")
    assert [each.ended_at_ms for each in newest] == rows.ended_at_ms.nlargest(5).tolist()
    assert len(of_agent) == (rows.agent == agent).sum()
    known = rows[rows.version == "4"].dropna(subset=["success_probability", "succeeded"])
    by_tenth = known.groupby((known.success_probability * 10).astype(int).clip(upper=9))
    assert [each.tenth for each in calibration] == list(by_tenth.groups)
    assert [each.n for each in calibration] == by_tenth.size().tolist()
    assert [each.succeeded for each in calibration] == by_tenth.succeeded.sum().tolist()
    both = rows[rows.version == "4"].dropna(subset=["predicted_s", "duration_s"])
    bins = np.floor(2 * np.log2(both.predicted_s / both.duration_s)) / 2
    expected = bins.value_counts().sort_index()
    assert {each.low: each.n for each in residuals} == expected.to_dict()


async def test_a_partition_that_is_silent_keeps_its_last_row(
    settings: Settings, tmp_path: Path
) -> None:
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    later = [
        written(0, Ledger(partition=1, predictions=4, matched=1), at_ms=7 * HOUR_MS),
        written(1, a_metric(9), at_ms=7 * HOUR_MS),
    ]
    await stage.apply(None, later)
    await stage.stop()
    with closing(FigureQueries(settings.store_url)) as queries:
        ledger = queries.ledger_over_time()
        assert queries.ledger_over_time(since_ms=6 * HOUR_MS) == ledger[1:]
        assert [(each.hour, each.n) for each in queries.metrics_over_time()] == [(6, 4), (7, 9)]
    zero = {"pending": 0, "expired": 0, "cancelled": 0, "shed": 0, "incomplete": 0}
    assert ledger == [
        LedgerAt(hour=5, predictions=3, matched=3, **zero),
        LedgerAt(hour=7, predictions=7, matched=4, **zero),
    ]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_run(settings: Settings, number: int) -> None:
    with closing(FigureQueries(settings.store_url)) as queries:
        queries.check()
        with queries._database.begin() as connection:
            connection.execute(text(EXAMPLES[number])).all()


def test_every_column_is_documented(settings: Settings) -> None:
    words = set(re.findall(r"[a-z_0-9]+", DOCUMENT.read_text()))
    for name in ("gnomon_tasks", "gnomon_predictions"):
        assert set(table(settings, name).columns) <= words


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    queries = FigureQueries(f"sqlite:///{tmp_path}/none.db")
    assert not queries.exists()
    with pytest.raises(ConfigurationError, match="no decisions in"):
        queries.check()

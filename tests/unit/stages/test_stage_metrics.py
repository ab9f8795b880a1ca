"""Metrics that stages set, read as Prometheus reads them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from tests.support.decisions import ENDED_AT_MS, a_decision
from tests.support.kafka.topic_in_memory import Record
from tests.unit.stages.test_live_models import NEVER_S, Registry
from tests.unit.stages.test_predicting import NOW_MS, Live, a_task

from gnomon import codec
from gnomon.errors import StoreUnavailableError
from gnomon.events import TaskCancelled
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage
from gnomon.stages.predicting.live_models import LiveModels
from gnomon.stages.shadow import ShadowStage
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.vault import create_key_file

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Shown:
    """The metrics of a stage."""

    metrics: Metrics = field(default_factory=Metrics)

    def __call__(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a metric, by the values of its labels in the order of the labels' names."""
        text = self.metrics.exposition()[0].decode()
        return {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def traces(self, name: str) -> list[tuple[str, float]]:
        """The traces that are examples of a histogram, each with the seconds that it took."""
        text = self.metrics.exposition("application/openmetrics-text; version=1.0.0")[0].decode()
        families = read_openmetrics(text)  # type: ignore[no-untyped-call]
        return [
            (sample.exemplar.labels["trace_id"], sample.exemplar.value)
            for family in families
            for sample in family.samples
            if family.name == name and sample.exemplar
        ]


@pytest.fixture
def shown() -> Shown:
    return Shown()


async def test_the_vault_shows_how_late_it_stores_and_how_old_its_keys_are(
    shown: Shown, tmp_path: Path
) -> None:
    create_key_file(tmp_path / "kek.key")
    written_s = os.stat(tmp_path / "kek.key").st_mtime  # noqa: PTH116
    settings = Settings(data_dir=str(tmp_path))
    stage = VaultStage(settings, metrics=shown.metrics, now_ms=lambda: ENDED_AT_MS + 5_000)
    await stage.start()

    await stage.apply(None, [Record(n, codec.encode(a_decision(n))) for n in (0, 1_000)])

    await stage.stop()
    assert shown("gnomon_end_to_end_seconds_count") == {(): 2}
    assert shown("gnomon_end_to_end_seconds_sum") == {(): pytest.approx(5 + 4)}
    store = DecisionStore(settings.store_url)
    row = store.keys.get(store.recent(1)[0].key_id)
    assert row is not None
    made_s = row.created_at_ms / 1000
    assert shown("gnomon_vault_data_key_created_timestamp_seconds") == {(): made_s}
    found = shown("gnomon_vault_key_file_modified_timestamp_seconds")
    assert found == {(): pytest.approx(written_s)}


async def test_the_store_is_up_as_long_as_it_answers(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key_file(tmp_path / "kek.key")
    stage = VaultStage(Settings(data_dir=str(tmp_path)), metrics=shown.metrics)
    await stage.start()
    batch = [Record(0, codec.encode(a_decision(0)))]
    before = shown("gnomon_store_up")

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(DecisionStore, "upsert", away)
        with pytest.raises(StoreUnavailableError):
            await stage.apply(None, batch)
        while_away = shown("gnomon_store_up")
    await stage.apply(None, batch)

    await stage.stop()
    assert (before, while_away, shown("gnomon_store_up")) == ({}, {(): 0}, {(): 1})


async def test_the_registry_is_up_as_long_as_it_answers(shown: Shown) -> None:
    registry = Registry({"champion": "1"})
    models = LiveModels(registry, model="m", poll_s=NEVER_S, metrics=shown.metrics)
    seen = []
    for away in (False, True, False):
        registry.away = away
        await models.refresh()
        seen.append(shown("gnomon_registry_up")[()])

    assert seen == [1, 0, 1]


async def test_shadow_shows_how_long_tasks_wait_for_their_predictions(shown: Shown) -> None:
    stage = ShadowStage(
        cast("LiveModels", Live()), metrics=shown.metrics, now_ms=lambda: NOW_MS + 1_500
    )
    task = a_task(started_at_ms=NOW_MS)

    await stage.apply(None, [Record(0, codec.encode(task))])

    assert shown("gnomon_prediction_latency_seconds_sum") == {(): pytest.approx(1.5)}


async def test_traces_are_examples_of_predictions_and_of_stored_decisions(
    shown: Shown, tmp_path: Path
) -> None:
    traced = f"00-{TRACE}-00f067aa0ba902b7-01"
    shadow = ShadowStage(
        cast("LiveModels", Live()), metrics=shown.metrics, now_ms=lambda: NOW_MS + 1_500
    )
    tasks = [
        msgspec.structs.replace(a_task(started_at_ms=NOW_MS), traceparent=traceparent)
        for traceparent in (None, "no trace", traced)
    ]
    await shadow.apply(None, [Record(n, codec.encode(each)) for n, each in enumerate(tasks)])
    create_key_file(tmp_path / "kek.key")
    vault = VaultStage(
        Settings(data_dir=str(tmp_path)), metrics=shown.metrics, now_ms=lambda: ENDED_AT_MS + 5_000
    )
    await vault.start()
    decisions = [a_decision(0), msgspec.structs.replace(a_decision(1_000), traceparent=traced)]
    await vault.apply(None, [Record(n, codec.encode(each)) for n, each in enumerate(decisions)])
    await vault.stop()

    assert shown.traces("gnomon_prediction_latency_seconds") == [(TRACE, 1.5)]
    assert shown.traces("gnomon_end_to_end_seconds") == [(TRACE, 4.0)]


async def test_a_ledger_is_shown_from_the_first_tick_after_a_restart(tmp_path: Path) -> None:
    """Otherwise the sum over all partitions lacks those where nothing happens."""
    settings = Settings(data_dir=str(tmp_path))
    first, second = Shown(), Shown()
    before = ComparisonStage(settings, metrics=first.metrics)
    state = before.new_state(3)
    end = TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=NOW_MS)
    record = Record(0, codec.encode(end), topic="task-events", partition=3, timestamp=NOW_MS)
    await before.apply(state, [record])
    after = ComparisonStage(settings, metrics=second.metrics)

    after.tick(after.restore(3, before.snapshot(state)), 0)

    assert first("gnomon_ledger_tasks_total")["3", "orphan"] == 1
    assert second("gnomon_ledger_tasks_total") == first("gnomon_ledger_tasks_total")
    assert second("gnomon_ledger_pending_tasks") == {("3",): 0}

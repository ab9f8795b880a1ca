"""What the exporter shows of what it reads, and what it does when it cannot read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gnomon.comparison.metrics.paired import Against
from gnomon.comparison.metrics.version_figures import VersionFigures
from gnomon.drift import Drift, Word
from gnomon.drift.monitor import FeatureDrift
from gnomon.errors import BrokerUnavailableError, RegistryUnavailableError
from gnomon.metric_names import ON_EXPORTER
from gnomon.operations.clients import ClientOverview
from gnomon.operations.exporter import service
from gnomon.operations.exporter.cluster import ClusterState, TopicState
from gnomon.operations.exporter.service import Exporter
from gnomon.operations.exporter.shown import (
    MOST_VERSIONS,
    show_clients,
    show_cluster,
    show_drift,
    show_models,
    show_records,
    show_stages,
)
from gnomon.operations.exporter.verification import Verification, verification_path
from gnomon.operations.lag import StageOverview
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.verdict import Drill

CLIENT = ClientOverview(
    producer_id="p", accepted=10, delivered=8, spooled=1, waiting=1, failed=0, dropped=2, received=7,
    repeated=0, missing=2, lost=1, ended=False, heard_ms=1,
)  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(ON_EXPORTER)


def shown(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric, by the values of its labels in the order of the labels' names."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition()[0].decode())
        for sample in family.samples
        if sample.name == name
    }


def test_a_topic_or_stage_that_is_gone_is_not_shown_any_more(metrics: Metrics) -> None:
    state = TopicState(partitions=4, under_replicated=1, leaderless=2, offsets=90, kept=40)
    show_cluster(metrics, ClusterState(3, {"a": state, "b": state}))
    show_cluster(metrics, ClusterState(2, {"b": state._replace(offsets=95)}))
    show_stages(metrics, [StageOverview("vault", 1, {"c[0]": 3, "c[1]": 4})])
    show_stages(metrics, [StageOverview("shadow", 2, {"f[0]": 5})])

    assert shown(metrics, "gnomon_brokers") == {(): 2}
    assert shown(metrics, "gnomon_topic_offsets_total") == {("b",): 95}
    assert shown(metrics, "gnomon_topic_kept_records") == {("b",): 40}
    assert shown(metrics, "gnomon_topic_under_replicated_partitions") == {("b",): 1}
    assert shown(metrics, "gnomon_topic_leaderless_partitions") == {("b",): 2}
    assert shown(metrics, "gnomon_group_lag_records") == {("shadow",): 5}
    assert shown(metrics, "gnomon_group_workers") == {("shadow",): 2}


def test_clients_are_added_up_and_none_is_named(metrics: Metrics) -> None:
    show_clients(metrics, [CLIENT, replace(CLIENT, producer_id="q", ended=True, accepted=None)])

    events = shown(metrics, "gnomon_client_events")
    assert (events["accepted",], events["dropped",], events["lost",]) == (10, 4, 2)
    assert shown(metrics, "gnomon_clients") == {("ended",): 1, ("live",): 1}
    assert b'"p"' not in metrics.exposition()[0]


def figures(version: str, **given: Any) -> VersionFigures:
    fields = {"model": "gnomon", "version": version, "n": 3, "mae_s": 2.0, "accuracy": 0.5}
    return msgspec.convert(fields | {"brier": 0.1} | given, VersionFigures)


def test_the_newest_versions_and_every_baseline_are_shown(metrics: Metrics) -> None:
    against = msgspec.convert(
        dict.fromkeys(Against.__struct_fields__) | {"n": 3, "n_success": 3, "improvement": 0.5},
        Against,
    )
    versions = [figures(str(n)) for n in range(1, 40)]
    versions[-1] = figures(
        "39", against={"control": against}, strongest="control", coverage_80=0.75
    )
    baseline = figures("1.0.0", model="control", mae_s=None)

    show_models(metrics, [*versions, baseline])

    newest = {("gnomon", str(n)) for n in range(39, 39 - MOST_VERSIONS, -1)}
    assert set(shown(metrics, "gnomon_model_tasks")) == newest | {("control", "1.0.0")}
    assert set(shown(metrics, "gnomon_model_mean_absolute_error_seconds")) == newest
    assert shown(metrics, "gnomon_model_improvement_ratio") == {("gnomon", "39"): 0.5}
    assert shown(metrics, "gnomon_model_coverage_ratio") == {("80", "gnomon", "39"): 0.75}


@pytest.mark.parametrize(("word", "level"), [(w, n) for n, w in enumerate(Word)])
def test_drift_is_a_number_that_rises_with_its_severity(
    metrics: Metrics, word: Word, level: int
) -> None:
    moved = FeatureDrift(word=word, psi=0.4, distance=None)
    drift = Drift(word=word, training_rows=9, rows=9, features={"tasks": moved}, changes=[])

    show_drift(metrics, {"7": drift})

    assert shown(metrics, "gnomon_feature_drift_level") == {("7",): level}
    assert shown(metrics, "gnomon_feature_drift_psi") == {("tasks", "7"): 0.4}


def test_the_last_drill_of_a_name_and_the_last_verification_count(metrics: Metrics) -> None:
    show_records(metrics, [Drill(drill="alert", at_ms=5_000, passed=True)], None)
    assert shown(metrics, "gnomon_vault_verification_failed") == {}

    drills = [Drill(drill="alert", at_ms=at, passed=at == 1_000) for at in (9_000, 1_000)]
    show_records(metrics, drills, Verification(at_ms=4_000, passed=False))

    assert shown(metrics, "gnomon_drill_passed") == {("alert",): 0}
    assert shown(metrics, "gnomon_drill_timestamp_seconds") == {("alert",): 9}
    assert shown(metrics, "gnomon_vault_verification_failed") == {(): 1}
    assert shown(metrics, "gnomon_vault_verified_timestamp_seconds") == {(): 4}


async def test_what_cannot_be_read_is_counted_named_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[ClusterState | Exception] = [
        ClusterState(3, {}),
        BrokerUnavailableError("no broker answers"),
        ClusterState(2, {}),
    ]

    async def read_cluster(*_: object) -> ClusterState:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def no_registry() -> dict[str, Drift]:
        raise RegistryUnavailableError("no answer")

    monkeypatch.setattr(service, "read_cluster", read_cluster)
    settings = Settings(data_dir=str(tmp_path))
    exporter = Exporter(settings, every_s=1, read_drills=list, read_drift=no_registry)
    place = verification_path(settings.data_dir)
    place.parent.mkdir()
    place.write_text('{"at_ms": 1, "pas')  # half of a record
    up, brokers = [], []
    for _ in range(3):
        await exporter.read("broker")
        up.append(shown(exporter.metrics, "gnomon_broker_up")[()])
        brokers.append(shown(exporter.metrics, "gnomon_brokers")[()])
    await exporter.read("drift")
    await exporter.read("records")

    assert (up, brokers) == ([1, 0, 1], [3, 3, 2])
    failures = shown(exporter.metrics, "gnomon_exporter_failures_total")
    assert failures == {("broker",): 1, ("drift",): 1, ("records",): 1}
    assert [line.split(":")[0] for line in exporter.degraded()] == ["drift", "records"]
    assert not exporter.ready

"""Turns what was read of the installation into metrics. Pure but for the metrics that it sets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gnomon.comparison.metrics.version_figures import VersionFigures
from gnomon.drift import Drift, Word
from gnomon.operations.clients import SUMMED, ClientOverview, totals
from gnomon.operations.exporter.cluster import ClusterState
from gnomon.operations.exporter.verification import Verification
from gnomon.operations.lag import StageOverview
from gnomon.runtime.metrics import Metrics
from gnomon.verdict import Drill

MOST_VERSIONS: Final = 20
"""Most versions of a model that are shown, the newest: a learner makes ever more of them."""


def show_cluster(metrics: Metrics, found: ClusterState) -> None:
    """Show the brokers and topics."""
    metrics.set("gnomon_brokers", found.brokers)
    topics = found.topics.items()
    metrics.set_all("gnomon_topic_partitions", {(t,): each.partitions for t, each in topics})
    metrics.set_all("gnomon_topic_offsets_total", {(t,): each.offsets for t, each in topics})
    metrics.set_all("gnomon_topic_kept_records", {(t,): each.kept for t, each in topics})
    metrics.set_all(
        "gnomon_topic_under_replicated_partitions",
        {(t,): each.under_replicated for t, each in topics},
    )
    metrics.set_all(
        "gnomon_topic_leaderless_partitions", {(t,): each.leaderless for t, each in topics}
    )


def show_stages(metrics: Metrics, stages: Sequence[StageOverview]) -> None:
    """Show the lag and the number of workers of each stage."""
    metrics.set_all("gnomon_group_lag_records", {(each.name,): each.lag for each in stages})
    metrics.set_all("gnomon_group_workers", {(each.name,): each.workers for each in stages})


def show_clients(metrics: Metrics, found: Sequence[ClientOverview]) -> None:
    """Show how many client processes are known, and what became of their events."""
    ended = sum(client.ended for client in found)
    metrics.set_all("gnomon_clients", {("ended",): ended, ("live",): len(found) - ended})
    summed = totals(found)
    metrics.set_all("gnomon_client_events", {(state,): summed[state] for state in SUMMED})


def show_models(metrics: Metrics, versions: Iterable[VersionFigures]) -> None:
    """Show the figures of the baselines and of the newest versions."""
    shown = sorted(versions, key=lambda each: (each.version.isdigit(), _number(each.version)))
    shown = [each for each in shown if not each.version.isdigit()] + [
        each for each in shown if each.version.isdigit()
    ][-MOST_VERSIONS:]
    keyed = {(each.model, each.version): each for each in shown}
    metrics.set_all("gnomon_model_tasks", {key: each.n for key, each in keyed.items()})
    metrics.set_all(
        "gnomon_model_mean_absolute_error_seconds",
        {key: each.mae_s for key, each in keyed.items() if each.mae_s is not None},
    )
    metrics.set_all(
        "gnomon_model_accuracy_ratio",
        {key: each.accuracy for key, each in keyed.items() if each.accuracy is not None},
    )
    metrics.set_all(
        "gnomon_model_improvement_ratio",
        {key: each.improvement for key, each in keyed.items() if each.improvement is not None},
    )
    metrics.set_all(
        "gnomon_model_coverage_ratio",
        {
            (*key, level): covered
            for key, each in keyed.items()
            for level, covered in (("80", each.coverage_80), ("90", each.coverage_90))
            if covered is not None
        },
    )


def show_drift(metrics: Metrics, drifts: Mapping[str, Drift]) -> None:
    """Show how far features have moved since the training of each live version."""
    words = list(Word)
    metrics.set_all(
        "gnomon_feature_drift_level",
        {(version,): words.index(drift.word) for version, drift in drifts.items()},
    )
    metrics.set_all(
        "gnomon_feature_drift_psi",
        {
            (version, feature): each.psi
            for version, drift in drifts.items()
            for feature, each in drift.features.items()
        },
    )


def show_records(
    metrics: Metrics, drills: Iterable[Drill], verification: Verification | None
) -> None:
    """Show the last drill of each name, and the last verification of the vault."""
    last = {drill.drill: drill for drill in sorted(drills, key=lambda each: each.at_ms)}
    metrics.set_all("gnomon_drill_passed", {(name,): each.passed for name, each in last.items()})
    metrics.set_all(
        "gnomon_drill_timestamp_seconds",
        {(name,): each.at_ms / 1000 for name, each in last.items()},
    )
    if verification is not None:
        metrics.set("gnomon_vault_verification_failed", not verification.passed)
        metrics.set("gnomon_vault_verified_timestamp_seconds", verification.at_ms / 1000)


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0

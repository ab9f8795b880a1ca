"""Names of the Prometheus metrics, with kind, meaning and labels.

They follow https://prometheus.io/docs/practices/naming/: base units (seconds, bytes), ``_total`` for counters,
and ``_timestamp_seconds`` for a moment, so that a query computes the age. ``docs/metrics.md`` lists them.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

MetricName = Literal[
    "gnomon_build",
    "gnomon_ready",
    "gnomon_stalls",
    "gnomon_records_total",
    "gnomon_batches_total",
    "gnomon_batch_retries_total",
    "gnomon_dead_letters_total",
    "gnomon_records_repeated_total",
    "gnomon_producers_known",
    "gnomon_batch_seconds",
    "gnomon_transaction_seconds",
    "gnomon_stage_latency_seconds",
    "gnomon_prediction_latency_seconds",
    "gnomon_end_to_end_seconds",
    "gnomon_lag_records",
    "gnomon_partition_offset",
    "gnomon_models_live",
    "gnomon_models_refused_total",
    "gnomon_models_skipped",
    "gnomon_model_calls_total",
    "gnomon_model_seconds",
    "gnomon_registry_up",
    "gnomon_predictions_total",
    "gnomon_predictions_missing_total",
    "gnomon_predictions_shed_total",
    "gnomon_ledger_tasks_total",
    "gnomon_ledger_pending_tasks",
    "gnomon_verdict",
    "gnomon_vault_sealed_total",
    "gnomon_vault_unreadable_total",
    "gnomon_vault_data_key_created_timestamp_seconds",
    "gnomon_vault_key_file_modified_timestamp_seconds",
    "gnomon_store_up",
    "gnomon_snapshot_seconds",
    "gnomon_snapshot_failures_total",
    "gnomon_certificate_expiry_timestamp_seconds",
    "gnomon_gateway_requests_total",
    "gnomon_gateway_events_total",
    "gnomon_gateway_skipped_spans_total",
    "gnomon_gateway_delivery_total",
    "gnomon_gateway_waiting_events",
    "gnomon_broker_up",
    "gnomon_brokers",
    "gnomon_broker_answer_seconds",
    "gnomon_topic_partitions",
    "gnomon_topic_offsets_total",
    "gnomon_topic_kept_records",
    "gnomon_topic_under_replicated_partitions",
    "gnomon_topic_leaderless_partitions",
    "gnomon_group_lag_records",
    "gnomon_group_workers",
    "gnomon_clients",
    "gnomon_client_events",
    "gnomon_model_tasks",
    "gnomon_model_mean_absolute_error_seconds",
    "gnomon_model_accuracy_ratio",
    "gnomon_model_improvement_ratio",
    "gnomon_model_coverage_ratio",
    "gnomon_feature_drift_level",
    "gnomon_feature_drift_psi",
    "gnomon_vault_verification_failed",
    "gnomon_vault_verified_timestamp_seconds",
    "gnomon_drill_passed",
    "gnomon_drill_timestamp_seconds",
    "gnomon_exporter_read_timestamp_seconds",
    "gnomon_exporter_failures_total",
]

Kind = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Kind, help text and labels of one metric. Labels have few values, never an identifier.

    A counter that is ``restored`` is told its total, which is saved with a state: a recovery counts
    nothing a second time.
    """

    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    restored: bool = False


_STAGES: Final[dict[MetricName, Metric]] = {
    "gnomon_build": Metric(
        "info", "The process: its version and settings.", ("stage", "version", "settings")
    ),
    "gnomon_ready": Metric("gauge", "Whether the worker is ready: 1 or 0.", ("stage",)),
    "gnomon_stalls": Metric("gauge", "Partitions that make no progress for too long.", ("stage",)),
    "gnomon_records_total": Metric("counter", "Records read.", ("stage", "topic")),
    "gnomon_batches_total": Metric("counter", "Batches committed.", ("stage",)),
    "gnomon_batch_retries_total": Metric(
        "counter", "Batches repeated because a service was away.", ("stage",)
    ),
    "gnomon_dead_letters_total": Metric("counter", "Records refused.", ("stage", "reason")),
    "gnomon_records_repeated_total": Metric(
        "counter", "Repeated records, dropped.", ("partition",), restored=True
    ),
    "gnomon_producers_known": Metric("gauge", "Client processes remembered.", ("partition",)),
    "gnomon_batch_seconds": Metric("histogram", "Time to process a batch.", ("stage",)),
    "gnomon_transaction_seconds": Metric(
        "histogram", "Time to write and commit a transaction.", ("stage",)
    ),
    "gnomon_stage_latency_seconds": Metric(
        "histogram",
        "From when the first record of a batch was written until its outputs were committed.",
        ("stage",),
    ),
    "gnomon_prediction_latency_seconds": Metric(
        "histogram", "From the start of a task, by its agent's clock, until it was predicted."
    ),
    "gnomon_end_to_end_seconds": Metric(
        "histogram", "From the end of a task, by its agent's clock, until its decision was stored."
    ),
    "gnomon_lag_records": Metric("gauge", "Records not yet read.", ("stage", "partition")),
    "gnomon_partition_offset": Metric(
        "gauge", "Next offset to read.", ("stage", "topic", "partition")
    ),
    "gnomon_models_live": Metric("gauge", "Model versions that predict.", ("stage",)),
    "gnomon_models_refused_total": Metric("counter", "Versions not loaded.", ("reason",)),
    "gnomon_models_skipped": Metric("gauge", "Live versions that are not called.", ("stage",)),
    "gnomon_model_calls_total": Metric(
        "counter", "Calls of a version, by how they ended.", ("version", "status")
    ),
    "gnomon_model_seconds": Metric("histogram", "Time of a version's call.", ("version",)),
    "gnomon_registry_up": Metric("gauge", "Whether the model registry answered last: 1 or 0."),
    "gnomon_predictions_total": Metric("counter", "Predictions made.", ("model",)),
    "gnomon_predictions_missing_total": Metric(
        "counter", "Predictions that a live version did not make.", ("version", "reason")
    ),
    "gnomon_predictions_shed_total": Metric("counter", "Tasks skipped because of lag."),
    "gnomon_ledger_tasks_total": Metric(
        "counter", "Tasks by count of the ledger.", ("partition", "state"), restored=True
    ),
    "gnomon_ledger_pending_tasks": Metric("gauge", "Open tasks of the ledger.", ("partition",)),
    "gnomon_verdict": Metric(
        "gauge",
        "The live verdict: 1 GO, 0 CONTINUE, -1 NO-GO, -2 STOP-HARM.",
        ("model", "version"),
    ),
    "gnomon_vault_sealed_total": Metric("counter", "Decisions sealed and stored."),
    "gnomon_vault_unreadable_total": Metric(
        "counter", "Decisions that cannot be opened.", ("reason",)
    ),
    "gnomon_vault_data_key_created_timestamp_seconds": Metric(
        "gauge", "When the data key was made that sealed last."
    ),
    "gnomon_vault_key_file_modified_timestamp_seconds": Metric(
        "gauge", "When the file of the key that wraps data keys was written."
    ),
    "gnomon_store_up": Metric("gauge", "Whether the store answered last: 1 or 0."),
    "gnomon_snapshot_seconds": Metric("histogram", "Time to write a snapshot.", ("stage",)),
    "gnomon_snapshot_failures_total": Metric("counter", "Snapshots not written.", ("stage",)),
    "gnomon_certificate_expiry_timestamp_seconds": Metric(
        "gauge", "When the first certificate of a file expires.", ("certificate",)
    ),
}
_GATEWAY: Final[dict[MetricName, Metric]] = {
    "gnomon_gateway_requests_total": Metric("counter", "Requests answered.", ("route", "status")),
    "gnomon_gateway_events_total": Metric("counter", "Events received.", ("route", "state")),
    "gnomon_gateway_skipped_spans_total": Metric(
        "counter", "Spans received that are no tasks.", ("reason",)
    ),
    "gnomon_gateway_delivery_total": Metric(
        "counter", "Events by what became of them.", ("state",), restored=True
    ),
    "gnomon_gateway_waiting_events": Metric("gauge", "Events to be delivered.", ("state",)),
}
_EXPORTER: Final[dict[MetricName, Metric]] = {
    "gnomon_broker_up": Metric("gauge", "Whether a broker answered last: 1 or 0."),
    "gnomon_brokers": Metric("gauge", "Brokers of the cluster."),
    "gnomon_broker_answer_seconds": Metric("histogram", "Time of a request for metadata."),
    "gnomon_topic_partitions": Metric("gauge", "Partitions of a topic.", ("topic",)),
    "gnomon_topic_offsets_total": Metric(
        "counter", "Offsets written, the ends of transactions included.", ("topic",), restored=True
    ),
    "gnomon_topic_kept_records": Metric(
        "gauge", "Offsets that retention and compaction have left.", ("topic",)
    ),
    "gnomon_topic_under_replicated_partitions": Metric(
        "gauge", "Partitions with fewer copies in sync than they should have.", ("topic",)
    ),
    "gnomon_topic_leaderless_partitions": Metric(
        "gauge", "Partitions that nobody can write to or read.", ("topic",)
    ),
    "gnomon_group_lag_records": Metric(
        "gauge", "Records that a stage has not committed, also if no worker runs.", ("stage",)
    ),
    "gnomon_group_workers": Metric("gauge", "Workers of a stage, by the broker.", ("stage",)),
    "gnomon_clients": Metric("gauge", "Client processes known, by whether they ended.", ("state",)),
    "gnomon_client_events": Metric(
        "gauge", "Events of all known client processes, by what became of them.", ("state",)
    ),
    "gnomon_model_tasks": Metric("gauge", "Tasks with a known end.", ("model", "version")),
    "gnomon_model_mean_absolute_error_seconds": Metric(
        "gauge", "Mean absolute error of predicted durations.", ("model", "version")
    ),
    "gnomon_model_accuracy_ratio": Metric(
        "gauge", "Share of tasks whose success was predicted.", ("model", "version")
    ),
    "gnomon_model_improvement_ratio": Metric(
        "gauge",
        "Error removed from that of the strongest baseline; negative if larger.",
        ("model", "version"),
    ),
    "gnomon_model_coverage_ratio": Metric(
        "gauge", "Share of durations inside the interval.", ("model", "version", "level")
    ),
    "gnomon_feature_drift_level": Metric(
        "gauge",
        "Drift of all features: 0 steady, 1 information, 2 reason to retrain, 3 alarm.",
        ("version",),
    ),
    "gnomon_feature_drift_psi": Metric(
        "gauge",
        "How far a feature has moved since training (population stability index).",
        ("version", "feature"),
    ),
    "gnomon_vault_verification_failed": Metric(
        "gauge", "Whether the last verification of the vault failed: 1 or 0."
    ),
    "gnomon_vault_verified_timestamp_seconds": Metric("gauge", "When the vault was verified last."),
    "gnomon_drill_passed": Metric("gauge", "Whether the last drill passed: 1 or 0.", ("drill",)),
    "gnomon_drill_timestamp_seconds": Metric("gauge", "When it was held.", ("drill",)),
    "gnomon_exporter_read_timestamp_seconds": Metric(
        "gauge", "When these figures were read last.", ("source",)
    ),
    "gnomon_exporter_failures_total": Metric("counter", "Reads that failed.", ("source",)),
}
METRICS: Final[dict[MetricName, Metric]] = {**_STAGES, **_GATEWAY, **_EXPORTER}
assert set(METRICS) == set(get_args(MetricName))  # noqa: S101  a missing entry is a bug here

ON_GATEWAY: Final = frozenset(_GATEWAY)
ON_EXPORTER: Final = frozenset(_EXPORTER)
ON_STAGES: Final = frozenset(_STAGES)

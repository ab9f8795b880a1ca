"""The five dashboards."""

from collections.abc import Mapping
from typing import Final

from deploy.grafana.generator.panels import (
    Query,
    Row,
    graph,
    new_dashboard,
    number,
    quantiles,
    stage_variable,
)
from grafana_foundation_sdk.builders import dashboard

STAGE: Final = '{stage=~"$stage"}'


def overview() -> dashboard.Dashboard:
    """Return what an operator looks at first."""
    now = Row(
        "Now",
        [
            number("Events", "Task events that features reads.", 'sum(gnomon:records:rate1m{stage="features"})', unit="cps"),
            number("Lag", "Records that stages have not committed.", "sum(gnomon_group_lag_records)", bad=10_000),
            number("Workers", "Workers, exporter and gateway that answer.", 'sum(up{job=~"gnomon-.*"})', good=1),
            number("Alerts", "Alerts that fire.", 'count(ALERTS{alertstate="firing"}) or vector(0)', bad=1),
            number("Ledger", "Tasks in no state, or in two. Always 0.", "gnomon:ledger_difference:abs", bad=1),
            number("Prediction", "From the start of a task until it was predicted, p99.", "gnomon:prediction_latency_seconds:p99", unit="s"),
        ],
    )  # fmt: skip
    flow = Row(
        "Flow",
        [
            graph("Records read", "By stage.", Query("gnomon:records:rate1m", "{{stage}}"), unit="cps"),
            graph("Lag", "Records not read, by the workers.", Query("gnomon:lag_records:sum", "{{stage}}")),
            graph("Stage latency", "From a record's writing until its outputs were committed.", *quantiles("gnomon_stage_latency_seconds", "stage", exemplar=True), unit="s"),
            graph("Prediction latency", "From a task's start, by its agent's clock.", *quantiles("gnomon_prediction_latency_seconds", ""), unit="s"),
            graph("End to end", "From a task's end, by its agent's clock, until its decision was stored.", *quantiles("gnomon_end_to_end_seconds", ""), unit="s"),
            graph("Ledger", "Tasks by state.", Query("sum by (state) (gnomon:ledger_tasks:max)", "{{state}}"), Query("sum(max by (partition) (gnomon_ledger_pending_tasks))", "pending")),
        ],
    )  # fmt: skip
    trouble = Row(
        "Trouble",
        [
            graph("Ready", "1: the worker is ready.", Query("max by (stage) (gnomon_ready)", "{{stage}}")),
            graph("Services", "1: answered last.", Query("min(gnomon_broker_up)", "broker"), Query("min(gnomon_store_up)", "store"), Query("min(gnomon_registry_up)", "registry")),
            graph("Dead letters", "Records refused, in 10 minutes.", Query("sum by (stage, reason) (increase(gnomon_dead_letters_total[10m])) > 0", "{{stage}} {{reason}}")),
        ],
    )  # fmt: skip
    return new_dashboard("overview", "gnomon: overview", "All stages.", [now, flow, trouble])


def stage() -> dashboard.Dashboard:
    """Return one stage in detail."""
    worker = '{worker=~"$stage"}'
    batches = Row(
        "Batches",
        [
            graph("Records read", "By topic.", Query(f"sum by (stage, topic) (rate(gnomon_records_total{STAGE}[1m]))", "{{stage}} {{topic}}"), unit="cps"),
            graph("Records a batch", "Larger batches cost less a record.", Query(f"sum by (stage) (rate(gnomon_records_total{STAGE}[1m])) / sum by (stage) (rate(gnomon_batches_total{STAGE}[1m]))", "{{stage}}")),
            graph("Lag", "Records not read, by partition.", Query(f"max by (stage, partition) (gnomon_lag_records{STAGE})", "{{stage}} {{partition}}")),
            graph("Batch", "Time to process a batch.", *quantiles("gnomon_batch_seconds", "stage", STAGE, exemplar=True), unit="s"),
            graph("Transaction", "Time to write and commit.", *quantiles("gnomon_transaction_seconds", "stage", STAGE), unit="s"),
            graph("Latency", "From a record's writing until its outputs were committed.", *quantiles("gnomon_stage_latency_seconds", "stage", STAGE, exemplar=True), unit="s"),
        ],
    )  # fmt: skip
    trouble = Row(
        "State and trouble",
        [
            graph("Snapshots", "Time to write one; stages without state write none.", *quantiles("gnomon_snapshot_seconds", "stage", STAGE), unit="s"),
            graph("Failures", "Since the start of the worker.", Query(f"sum by (stage) (gnomon_snapshot_failures_total{STAGE})", "{{stage}} snapshots"), Query(f"sum by (stage) (gnomon_batch_retries_total{STAGE})", "{{stage}} batches repeated"), Query(f"sum by (stage) (gnomon_stalls{STAGE})", "{{stage}} stalls")),
            graph("Dead letters", "Since the start of the worker, by reason.", Query(f"sum by (stage, reason) (gnomon_dead_letters_total{STAGE}) > 0", "{{stage}} {{reason}}")),
        ],
    )  # fmt: skip
    process = Row(
        "Process",
        [
            graph("Processor", "Cores in use.", Query(f"rate(process_cpu_seconds_total{worker}[1m])", "{{worker}} {{instance}}")),
            graph("Memory", "Resident.", Query(f"process_resident_memory_bytes{worker}", "{{worker}} {{instance}}"), unit="bytes"),
            graph("Files", "Open descriptors.", Query(f"process_open_fds{worker}", "{{worker}} {{instance}}")),
        ],
    )  # fmt: skip
    made = new_dashboard("stage", "gnomon: stage", "One stage.", [batches, trouble, process])
    return made.with_variable(stage_variable())


def clients() -> dashboard.Dashboard:
    """Return what clients and the gateway do, and what they lose."""
    processes = Row(
        "Clients",
        [
            number("Live", "Client processes that did not report their end.", 'gnomon_clients{state="live"}'),
            number("Ended", "Client processes that did.", 'gnomon_clients{state="ended"}'),
            number("Lost", "Events that were sent and will never arrive.", 'gnomon_client_events{state="lost"}', bad=1),
            number("Dropped", "Events that clients refused or had no room for.", 'gnomon_client_events{state="dropped"}', bad=1),
            number("Missing", "Events under way, in a spool, or lost.", 'gnomon_client_events{state="missing"}'),
            number("Waiting", "Events in clients' memory.", 'gnomon_client_events{state="waiting"}'),
            graph("Events", "Of all known client processes.", Query("gnomon_client_events", "{{state}}")),
            graph("Repeated records", "Read before, and dropped.", Query("sum(rate(gnomon_records_repeated_total[5m]))", "repeated"), unit="cps"),
            graph("Client processes remembered", "By the features stage.", Query("sum(max by (partition) (gnomon_producers_known))", "processes")),
        ],
    )  # fmt: skip
    gateway = Row(
        "Gateway",
        [
            graph("Requests", "By route and status.", Query("sum by (route, status) (rate(gnomon_gateway_requests_total[1m]))", "{{route}} {{status}}"), unit="reqps"),
            graph("Events", "Taken, refused, and those without room.", Query("sum by (route, state) (rate(gnomon_gateway_events_total[1m]))", "{{route}} {{state}}"), unit="cps"),
            graph("Delivery", "What became of events that were taken.", Query("sum by (state) (rate(gnomon_gateway_delivery_total[1m]))", "{{state}}"), unit="cps"),
            graph("Waiting", "In memory, and under way.", Query("sum by (state) (gnomon_gateway_waiting_events)", "{{state}}")),
            graph("Spans that are no tasks", "By reason.", Query("sum by (reason) (rate(gnomon_gateway_skipped_spans_total[5m]))", "{{reason}}"), unit="cps"),
        ],
    )  # fmt: skip
    return new_dashboard(
        "clients", "gnomon: clients and loss", "Clients and the gateway.", [processes, gateway]
    )


def models() -> dashboard.Dashboard:
    """Return how good the versions are, and what the vault and the drills say."""
    version = "{{model}} {{version}}"
    quality = Row(
        "Verdict",
        [
            graph("Verdict", "1 GO, 0 CONTINUE, -1 NO-GO, -2 STOP-HARM.", Query("min by (model, version) (gnomon_verdict)", version)).min(-2),
            graph("Improvement", "Error removed from that of the strongest baseline.", Query("gnomon_model_improvement_ratio", version), unit="percentunit").min(-1),
            graph("Error", "Mean absolute error of durations.", Query("gnomon_model_mean_absolute_error_seconds", version), unit="s"),
            graph("Accuracy", "Share of tasks whose success was predicted.", Query("gnomon_model_accuracy_ratio", version), unit="percentunit"),
            graph("Coverage", "Share of durations inside the 80 % and 90 % intervals.", Query("gnomon_model_coverage_ratio", version + " {{level}} %"), unit="percentunit"),
            graph("Tasks", "With a known end.", Query("gnomon_model_tasks", version)),
        ],
    )  # fmt: skip
    serving = Row(
        "Predictions",
        [
            graph("Predictions", "By model and baseline.", Query("sum by (model) (rate(gnomon_predictions_total[1m]))", "{{model}}"), unit="cps"),
            graph("Calls", "By how they ended.", Query("sum by (version, status) (rate(gnomon_model_calls_total[5m]))", "{{version}} {{status}}"), unit="cps"),
            graph("Time of a call", "By version.", *quantiles("gnomon_model_seconds", "version"), unit="s"),
            graph("Not predicted", "Since the start of the worker.", Query("sum by (version, reason) (gnomon_predictions_missing_total)", "version {{version}} {{reason}}"), Query("sum(gnomon_predictions_shed_total)", "shed")),
            graph("Versions", "Live, and those of them that are not called.", Query("max(gnomon_models_live)", "live"), Query("max(gnomon_models_skipped)", "skipped"), Query("sum by (reason) (gnomon_models_refused_total)", "refused {{reason}}")),
            graph("Drift", "0 steady, 1 information, 2 reason to retrain, 3 alarm.", Query("gnomon_feature_drift_level", "version {{version}}")),
            graph("Drift of features", "The five that moved farthest (PSI; above 0.25 is much).", Query("topk(5, gnomon_feature_drift_psi)", "version {{version}} {{feature}}")),
        ],
    )  # fmt: skip
    vault = Row(
        "Vault and drills",
        [
            number("Sealed", "Decisions stored.", "sum(rate(gnomon_vault_sealed_total[5m]))", unit="cps"),
            number("Key", "Age of the key file.", "time() - max(gnomon_vault_key_file_modified_timestamp_seconds)", unit="s", bad=365 * 86_400),
            number("Data key", "Age of the data key that sealed last.", "time() - max(gnomon_vault_data_key_created_timestamp_seconds)", unit="s", bad=7_200),
            number("Verification", "1: the last verification failed.", "max(gnomon_vault_verification_failed)", bad=1),
            number("Certificates", "Until the first one expires.", "min(gnomon_certificate_expiry_timestamp_seconds) - time()", unit="s", good=14 * 86_400),
            number("Drills passed", "Of those that were held.", "sum(gnomon_drill_passed)"),
            graph("Age of drills", "The checklist counts 30 days.", Query("time() - gnomon_drill_timestamp_seconds", "{{drill}}"), unit="s"),
        ],
    )  # fmt: skip
    return new_dashboard(
        "models", "gnomon: models and verdict", "Versions and vault.", [quality, serving, vault]
    )


def broker() -> dashboard.Dashboard:
    """Return what the Kafka API tells of brokers and topics."""
    cluster = Row(
        "Cluster",
        [
            number("Broker", "1: answered last.", "min(gnomon_broker_up)", good=1),
            number("Brokers", "Of the cluster.", "max(gnomon_brokers)"),
            number("Without leader", "Partitions that nobody can use.", "sum(gnomon_topic_leaderless_partitions)", bad=1),
            number("Under-replicated", "Partitions that miss a copy.", "sum(gnomon_topic_under_replicated_partitions)", bad=1),
            number("Answer", "Time of a request for metadata and offsets, p99.", "histogram_quantile(0.99, sum by (le) (rate(gnomon_broker_answer_seconds_bucket[5m])))", unit="s"),
            number("Read", "Age of these figures.", 'time() - max(gnomon_exporter_read_timestamp_seconds{source="broker"})', unit="s", bad=120),
        ],
    )  # fmt: skip
    topics = Row(
        "Topics and groups",
        [
            graph("Written", "Offsets, the ends of transactions included.", Query("sum by (topic) (rate(gnomon_topic_offsets_total[1m]))", "{{topic}}"), unit="cps"),
            graph("Kept", "Offsets that retention and compaction have left.", Query("max by (topic) (gnomon_topic_kept_records)", "{{topic}}")),
            graph("Partitions", "By topic.", Query("max by (topic) (gnomon_topic_partitions)", "{{topic}}")),
            graph("Lag of groups", "Also while no worker runs.", Query("max by (stage) (gnomon_group_lag_records)", "{{stage}}")),
            graph("Workers of groups", "By the broker.", Query("max by (stage) (gnomon_group_workers)", "{{stage}}")),
            graph("Reads that failed", "Of the exporter, by source.", Query("sum by (source) (increase(gnomon_exporter_failures_total[10m]))", "{{source}}")),
        ],
    )  # fmt: skip
    return new_dashboard(
        "broker", "gnomon: broker", "Kafka, as its own API tells.", [cluster, topics]
    )


def all_dashboards() -> Mapping[str, dashboard.Dashboard]:
    """Return every dashboard, by the name of its file."""
    return {
        "overview": overview(),
        "stage": stage(),
        "clients": clients(),
        "models": models(),
        "broker": broker(),
    }

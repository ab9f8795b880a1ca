"""Counts the batches of one partition."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gnomon.records import DeadLetter, SourceRecord
from gnomon.runtime.metrics import Metrics

REASONS: Final = (
    "empty", "invalid", "not_json", "not_otlp", "output_too_large", "oversize", "stage_error",
    "store_refused", "unknown_kind",
)  # fmt: skip
"""Why records are refused. Counters of these begin with 0, so that the first dead letter is an increase."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
_TRACE: Final = re.compile(rb'"traceparent":\s?"[0-9a-f]{2}-([0-9a-f]{32})-')


def trace_id_of(record: SourceRecord) -> str | None:
    """Return the trace in which an encoded event or decision came about, if it names one."""
    found = _TRACE.search(record.value or b"")
    return None if found is None else found[1].decode()


def trace_id_in(traceparent: str | None) -> str | None:
    """Return the trace that a W3C ``traceparent`` names, if it is one."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    return None if found is None else found[1]


def start_counters(metrics: Metrics, stage: str) -> None:
    """Show the counters of a stage that alerts watch, as 0."""
    for reason in REASONS:
        metrics.count("gnomon_dead_letters_total", 0, stage, reason)
    for name in ("gnomon_snapshot_failures_total", "gnomon_batch_retries_total"):
        metrics.count(name, 0, stage)


class BatchMetrics:
    """Counts what one partition of a stage has committed.

    Args:
        metrics: Where to count.
        stage: Name of the stage.
        partition: Number of the partition.
        now_ms: Epoch milliseconds, as the records have them.
    """

    def __init__(
        self, metrics: Metrics, *, stage: str, partition: int, now_ms: Callable[[], int]
    ) -> None:
        self._metrics, self._stage, self._partition = metrics, stage, str(partition)
        self._now_ms = now_ms

    def committed(
        self,
        records: Sequence[SourceRecord],
        *,
        counts: Mapping[str, int],
        offsets: Mapping[str, int],
        dead: Sequence[DeadLetter],
        trace_id: str | None,
    ) -> None:
        """Count a batch.

        Args:
            records: The batch.
            counts: Number of its records by topic.
            offsets: Next offset to read by topic.
            dead: Its dead letters.
            trace_id: A trace in which it came about.
        """
        metrics, stage = self._metrics, self._stage
        metrics.count("gnomon_batches_total", 1, stage)
        for topic, count in counts.items():
            metrics.count("gnomon_records_total", count, stage, topic)
            metrics.set("gnomon_partition_offset", offsets[topic], stage, topic, self._partition)
        for dead_letter in dead:
            metrics.count("gnomon_dead_letters_total", 1, stage, dead_letter.reason)
        latency_s = max(0.0, (self._now_ms() - records[0].timestamp) / 1000)
        metrics.observe("gnomon_stage_latency_seconds", latency_s, stage, trace_id=trace_id)

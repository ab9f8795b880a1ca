"""Sums metrics and ledgers over partitions, and computes metrics of a list of comparisons."""

from collections.abc import Iterable

from gnomon.comparison.intervals.reliability import Bins, empty_bins, plus
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.against import figures_of
from gnomon.comparison.metrics.paired import Paired, paired_sums, with_baselines
from gnomon.events import Comparison, Ledger, ModelMetrics

MERGED_PARTITION = 0
"""``partition`` of a merged record, where it has no meaning."""

_COUNTS = (
    "predictions", "matched", "pending", "expired", "cancelled", "duplicate", "late", "orphan",
    "shed", "incomplete", "unread",
)  # fmt: skip


def merge_metrics(records: Iterable[ModelMetrics]) -> list[ModelMetrics]:
    """Sum the metrics of each model version, slice and window over partitions.

    Args:
        records: The latest record of each key of comparison-metrics. The window ``24h`` of a
            partition ends at that partition's own watermark.

    Returns:
        One record for each model version, slice and window, in the order in which they first
        appear, with ``MERGED_PARTITION``.
    """
    groups: dict[tuple[str, str, str, str], list[ModelMetrics]] = {}
    for record in records:
        key = (record.model, record.version, record.slice, record.window)
        groups.setdefault(key, []).append(record)
    return [_merged(group) for group in groups.values()]


def merge_ledgers(ledgers: Iterable[Ledger]) -> Ledger:
    """Sum the latest ledger of each partition; the ledger's equation holds for the sum too."""
    counts = dict.fromkeys(_COUNTS, 0)
    for ledger in ledgers:
        for name in _COUNTS:
            counts[name] += getattr(ledger, name)
    return Ledger(partition=MERGED_PARTITION, **counts)


def metrics_of(comparisons: Iterable[Comparison], *, model: str, version: str) -> ModelMetrics:
    """Compute the metrics of one model version over the matched ones of ``comparisons``, and count the expired."""
    figures = figures_of(comparisons, model=model, version=version, pair_baselines=False)
    metrics = sums.metrics(
        figures.row,
        figures.histogram,
        figures.bins or empty_bins(),
        model=model,
        version=version,
        of_slice="all",
        partition=MERGED_PARTITION,
        window="all",
    )
    return with_baselines(metrics, figures.paired)


def _merged(group: list[ModelMetrics]) -> ModelMetrics:
    row = [sum(column) for column in zip(*map(sums.row_of, group), strict=True)]
    histogram: sums.Histogram = {}
    bins: Bins = []
    paired = Paired()
    for record in group:
        paired.add(paired_sums(record))
        bins = plus(bins, [*record.success_bins, *record.success_bins_succeeded])
        for bucket, count in record.error_histogram.items():
            histogram[int(bucket)] = histogram.get(int(bucket), 0) + count
    first = group[0]
    metrics = sums.metrics(
        row,
        histogram,
        bins,
        model=first.model,
        version=first.version,
        of_slice=first.slice,
        partition=MERGED_PARTITION,
        window=first.window,
    )
    return with_baselines(metrics, paired)

"""Totals over decisions: the ledger of tasks, and the metrics of each model version."""

from typing import Literal

import msgspec

from gnomon.events.field_types import Count, Seconds, Share


class Ledger(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="ledger.v1"
):
    """Counts of the predicted tasks of one partition by state, since the beginning of the log.

    ``predictions = matched + pending + expired + cancelled`` always holds. The other counts are
    separate. ``duplicate``: repeated starts and ends. ``late``: ends after the task expired, and
    starts older than the expiry time. ``orphan``: ends without a start. ``shed``: tasks that were
    not predicted because of lag. ``incomplete``: tasks whose features or predictions never came.
    """

    partition: Count
    predictions: Count = 0
    matched: Count = 0
    pending: Count = 0
    expired: Count = 0
    cancelled: Count = 0
    duplicate: Count = 0
    late: Count = 0
    orphan: Count = 0
    shed: Count = 0
    incomplete: Count = 0


class ModelMetrics(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_metrics.v1"
):
    """Metrics of one model version on one slice of one partition, over ``window``.

    ``n*``, ``*_sum`` and ``error_histogram`` can be added over partitions; the other values are
    of this partition alone. ``n`` counts predicted durations, ``n_success`` predicted
    probabilities. ``control_*`` and ``paired_*`` are over the tasks that the control predicted
    too (``n_paired``, ``n_success_paired``), and so is
    ``improvement = 1 - paired MAE / control MAE``. An error counts as at most 1,000,000 seconds.
    ``error_histogram`` counts absolute errors by bucket ``ceil(log(error_s, 1.02))``; errors below
    1 ms are in bucket ``-1000``. The histogram and ``median_error_s`` exist for the slice ``all``
    only.
    """

    model: str
    version: str
    slice: str
    partition: Count
    window: Literal["all", "24h"]
    n: Count
    absolute_error_us_sum: Count
    control_absolute_error_us_sum: Count
    within_25_sum: Count
    n_success: Count
    correct_sum: Count
    control_correct_sum: Count
    brier_ppm_sum: Count
    mae_s: Seconds | None
    control_mae_s: Seconds | None
    median_error_s: Seconds | None
    within_25: Share | None
    improvement: float | None
    accuracy: Share | None
    control_accuracy: Share | None
    brier: Share | None
    error_histogram: dict[str, int] = {}
    n_paired: Count = 0
    n_success_paired: Count = 0
    paired_absolute_error_us_sum: Count = 0


MetricsEvent = Ledger | ModelMetrics

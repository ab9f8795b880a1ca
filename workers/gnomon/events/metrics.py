"""What the decisions come to."""

from typing import Literal

import msgspec

from gnomon.events.field_types import Count, Seconds, Share


class Ledger(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="ledger.v1"
):
    """What became of every predicted task of one partition, as counts since the log began.

    ``predictions = matched + pending + expired + cancelled``, always. The rest is counted beside
    it: repeated starts or ends, ends after expiry (and starts so old that they would be expired),
    ends without a start, tasks not predicted; ``incomplete`` are tasks whose features or
    predictions never came.
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
    """Figures of one model version on one slice in one partition, over ``window``.

    ``n*``, ``*_sum`` and the histogram add up over partitions; the figures beside them are of
    this partition. ``n`` counts predicted durations, ``n_success`` predicted probabilities.
    ``control_*`` and ``paired_*`` are over the tasks that the control predicted too
    (``n_paired``, ``n_success_paired``), and so is ``improvement = 1 - paired MAE / control MAE``.
    Errors in seconds, counted as at most 1,000,000. ``error_histogram`` counts absolute errors by
    bucket ``ceil(log(error_s, 1.02))``; errors below 1 ms are in bucket ``-1000``. It and
    ``median_error_s`` are kept for the slice ``all`` only.
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

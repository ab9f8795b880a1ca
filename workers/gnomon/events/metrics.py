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
    ``unread``: input records, at most, that retention deleted before they were read; while it is not
    zero, tasks may be missing from all other counts.
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
    unread: Count = 0


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

    ``n_80`` counts the durations that were predicted with an 80 % interval, and ``covered_80_sum``
    those inside it. ``width_80_us_sum`` adds up the widths, each at most 1,000,000 seconds; the
    fields with 90 are of the 90 % interval. ``success_bins`` counts predicted probabilities in ten
    bins of equal width between 0 and 1, and ``success_bins_succeeded`` the tasks of each bin that
    succeeded. The bins exist for the slice ``all`` only.

    ``paired_errors`` and ``paired_success`` compare a model with every baseline, for the slice ``all``
    only. Tasks are grouped by the names of the baselines that predicted the duration or the success,
    joined with ``+``. A row of ``paired_errors`` has the number of tasks, then
    sums of absolute errors in microseconds: the model's, and those of ``control``, ``same-type`` and
    ``type``. A row of ``paired_success`` has the number of tasks, then two numbers each for the model
    and for these baselines: tasks on the predicted side of one half, and the sum of squared errors
    in parts per million. ``strongest`` is the baseline with the smallest error on the tasks that the
    model and all baselines predicted that know at least half of the model's tasks, and
    ``improvement_over`` is ``1 - MAE / baseline's MAE`` by baseline.

    ``expired`` counts the predicted tasks whose end did not come in time. They are in no other number,
    so long tasks may be missing from all errors if there are many of these.

    ``verdict`` is the live verdict on the version over all partitions, as the worker knew it when it
    wrote the record, and ``blocked_by`` has the criteria that do not hold. They exist for the slice
    ``all`` and the window ``all`` only, once the evidence was judged.
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
    n_80: Count = 0
    covered_80_sum: Count = 0
    width_80_us_sum: Count = 0
    n_90: Count = 0
    covered_90_sum: Count = 0
    width_90_us_sum: Count = 0
    coverage_80: Share | None = None
    coverage_90: Share | None = None
    mean_width_80_s: Seconds | None = None
    mean_width_90_s: Seconds | None = None
    success_bins: list[Count] = []
    success_bins_succeeded: list[Count] = []
    paired_errors: dict[str, list[Count]] = {}
    paired_success: dict[str, list[Count]] = {}
    strongest: str | None = None
    improvement_over: dict[str, float] = {}
    verdict: Literal["GO", "NO-GO", "STOP-HARM", "CONTINUE"] | None = None
    blocked_by: list[str] = []
    expired: Count = 0


MetricsEvent = Ledger | ModelMetrics

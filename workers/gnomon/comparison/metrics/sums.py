"""Metrics of one model version as integer sums, which can be added in any order.

A row has one integer for each of ``FIELDS``: counts, microseconds, and parts per million. Only
``matched`` tasks count, each in the sums of those quantities that the model predicted; ``expired``
counts the predicted tasks whose end never came, which are in no other sum.
"""

from typing import Final, Literal, Protocol

from gnomon.comparison.intervals.reliability import BINS, Bins, empty_bins
from gnomon.comparison.metrics.buckets import middle_s
from gnomon.events import Intervals, ModelMetrics

SUCCESS_THRESHOLD: Final = 0.5
"""A probability from this value on is a prediction that the task will succeed."""

FIELDS: Final = (
    "n",
    "absolute_error_us_sum",
    "within_25_sum",
    "n_paired",
    "paired_absolute_error_us_sum",
    "control_absolute_error_us_sum",
    "n_success",
    "correct_sum",
    "brier_ppm_sum",
    "n_success_paired",
    "control_correct_sum",
    "n_80",
    "covered_80_sum",
    "width_80_us_sum",
    "n_90",
    "covered_90_sum",
    "width_90_us_sum",
    "expired",
)
(N, ERROR, WITHIN, PAIRED, PAIRED_ERROR, CONTROL_ERROR, SUCCESS, CORRECT, BRIER, SUCCESS_PAIRED,
 CONTROL_CORRECT, N_80, COVERED_80, WIDTH_80, N_90, COVERED_90, WIDTH_90,
 EXPIRED) = range(len(FIELDS))  # fmt: skip

OF_LEVEL: Final = (("80", N_80, COVERED_80, WIDTH_80), ("90", N_90, COVERED_90, WIDTH_90))
"""Levels of intervals, and where in a row their sums are."""

Row = list[int]
Histogram = dict[int, int]
"""Number of absolute errors by bucket; see ``events.ModelMetrics``."""


def empty_row() -> Row:
    """Return a row of zeros."""
    return [0] * len(FIELDS)


class PredictionLike(Protocol):
    """Prediction of a model, or of the control, for one task."""

    @property
    def duration_s(self) -> float | None:
        """Predicted duration."""
        ...

    @property
    def success_probability(self) -> float | None:
        """Predicted probability of success, in [0, 1]."""
        ...

    @property
    def intervals(self) -> Intervals | None:
        """Intervals around the duration, of a model that gives them."""
        ...


def median_error_s(histogram: Histogram) -> float | None:
    """Return the median error, accurate to 1 % and a millisecond; ``None`` without errors.

    Each error is taken to be the geometric middle of its bucket, or 0 if it is below a millisecond.
    The median of an even number of errors is the mean of the middle two.
    """
    total = sum(histogram.values())
    if not total:
        return None
    low, high = (total - 1) // 2, total // 2
    below, first = 0, None
    for bucket in sorted(histogram):
        below += histogram[bucket]
        if first is None and below > low:
            first = middle_s(bucket)
        if first is not None and below > high:
            return (first + middle_s(bucket)) / 2
    return first


def metrics(
    row: Row,
    histogram: Histogram,
    bins: Bins,
    *,
    model: str,
    version: str,
    of_slice: str,
    partition: int,
    window: Literal["all", "24h"],
) -> ModelMetrics:
    """Return the sums as an event; a metric over no task is ``None``."""
    if of_slice == "all":
        bins = bins or empty_bins()  # also of a window that never had a task
    mae_s = _ratio(row[ERROR], row[N] * 1_000_000)
    improvement = None
    if row[CONTROL_ERROR]:
        improvement = 1.0 - row[PAIRED_ERROR] / row[CONTROL_ERROR]
    return ModelMetrics(
        model=model,
        version=version,
        slice=of_slice,
        partition=partition,
        window=window,
        n=row[N],
        absolute_error_us_sum=row[ERROR],
        control_absolute_error_us_sum=row[CONTROL_ERROR],
        within_25_sum=row[WITHIN],
        n_success=row[SUCCESS],
        correct_sum=row[CORRECT],
        control_correct_sum=row[CONTROL_CORRECT],
        brier_ppm_sum=row[BRIER],
        mae_s=mae_s,
        control_mae_s=_ratio(row[CONTROL_ERROR], row[PAIRED] * 1_000_000),
        median_error_s=median_error_s(histogram) if histogram else None,
        within_25=_ratio(row[WITHIN], row[N]),
        improvement=improvement,
        accuracy=_ratio(row[CORRECT], row[SUCCESS]),
        control_accuracy=_ratio(row[CONTROL_CORRECT], row[SUCCESS_PAIRED]),
        brier=_ratio(row[BRIER], row[SUCCESS] * 1_000_000),
        error_histogram={str(bucket): histogram[bucket] for bucket in sorted(histogram)},
        n_paired=row[PAIRED],
        n_success_paired=row[SUCCESS_PAIRED],
        paired_absolute_error_us_sum=row[PAIRED_ERROR],
        n_80=row[N_80],
        covered_80_sum=row[COVERED_80],
        width_80_us_sum=row[WIDTH_80],
        n_90=row[N_90],
        covered_90_sum=row[COVERED_90],
        width_90_us_sum=row[WIDTH_90],
        coverage_80=_ratio(row[COVERED_80], row[N_80]),
        coverage_90=_ratio(row[COVERED_90], row[N_90]),
        mean_width_80_s=_ratio(row[WIDTH_80], row[N_80] * 1_000_000),
        mean_width_90_s=_ratio(row[WIDTH_90], row[N_90] * 1_000_000),
        expired=row[EXPIRED],
        success_bins=bins[:BINS],
        success_bins_succeeded=bins[BINS:],
    )


def row_of(record: ModelMetrics) -> Row:
    """Return the row from which ``record`` was made."""
    return [getattr(record, field) for field in FIELDS]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

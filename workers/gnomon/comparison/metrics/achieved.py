"""Computes metrics of model versions and of the baselines on the same tasks, for reports."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gnomon.comparison.intervals.coverage import Coverage, coverage_by_level
from gnomon.comparison.metrics.against import against_baselines
from gnomon.comparison.metrics.merge import metrics_of
from gnomon.comparison.metrics.paired import Against
from gnomon.comparison.sources import BASELINES
from gnomon.events import Comparison, ModelMetrics
from gnomon.text_table import aligned


class Achieved(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of one model version; ``None`` if there is nothing to average.

    ``improvement`` is ``1 - mae_s / control_mae_s`` over the tasks that both predicted; ``accuracy``
    is the share of tasks whose success was on the predicted side of one half; ``within_25`` is the
    share of durations predicted to within a quarter; ``brier`` is the mean squared error of the
    probability. If the tasks are known, ``against`` has the comparison with each baseline by its
    name, and ``strongest`` names the baseline that is hardest to beat. ``coverage_80`` is the share
    of durations inside the 80 % interval; ``intervals`` has more by level, if the tasks are known.
    ``expired`` counts the tasks that it predicted and whose end never came: they are in no other number.
    """

    name: str
    version: str
    n: int
    mae_s: float | None
    control_mae_s: float | None
    improvement: float | None
    accuracy: float | None
    control_accuracy: float | None
    within_25: float | None
    brier: float | None = None
    against: dict[str, Against] = {}
    strongest: str | None = None
    coverage_80: float | None = None
    intervals: dict[str, Coverage] = {}
    expired: int = 0

    @property
    def headline(self) -> Against | None:
        """Return the comparison with the strongest baseline."""
        return None if self.strongest is None else self.against.get(self.strongest)


_NEWEST = "newest"


def achieved(
    metrics: ModelMetrics,
    against: Mapping[str, Against] | None = None,
    strongest: str | None = None,
    intervals: Mapping[str, Coverage] | None = None,
) -> Achieved:
    """Return the part of ``metrics`` that a report shows, with the comparisons with the baselines."""
    return Achieved(
        name=metrics.model,
        version=metrics.version,
        n=max(metrics.n, metrics.n_success),
        mae_s=metrics.mae_s,
        control_mae_s=metrics.control_mae_s,
        improvement=metrics.improvement,
        accuracy=metrics.accuracy,
        control_accuracy=metrics.control_accuracy,
        within_25=metrics.within_25,
        brier=metrics.brier,
        against=dict(against or {}),
        strongest=strongest,
        coverage_80=metrics.coverage_80,
        intervals=dict(intervals or {}),
        expired=metrics.expired,
    )


def by_version(decisions: Sequence[Comparison]) -> list[Achieved]:
    """Return the metrics of every version that predicted any of ``decisions``; baselines first."""
    versions = {(p.model, p.version) for d in decisions for p in d.predictions}
    return [
        _of(decisions, model=model, version=version)
        for model, version in sorted(versions, key=order)
    ]


def of_newest(decisions: Iterable[Comparison], *, name: str) -> Achieved:
    """Return the metrics, under ``name``, of the model version that was newest at each task."""
    relabelled = []
    for decision in decisions:
        models = [p for p in decision.predictions if p.model not in BASELINES]
        kept = [p for p in decision.predictions if p.model in BASELINES]
        if models:
            newest = max(models, key=lambda p: _number(p.version))
            kept.append(msgspec.structs.replace(newest, model=name, version=_NEWEST))
        relabelled.append(msgspec.structs.replace(decision, predictions=kept))
    return _of(relabelled, model=name, version=_NEWEST)


def _of(decisions: Sequence[Comparison], *, model: str, version: str) -> Achieved:
    metrics = metrics_of(decisions, model=model, version=version)
    which = {"model": model, "version": version}
    return achieved(
        metrics,
        *against_baselines(decisions, **which),
        intervals=coverage_by_level(decisions, **which),
    )


def order(version: tuple[str, str]) -> tuple[int, str, tuple[int, str]]:
    """Return a sort key: the baselines in their order, then models by name and number."""
    name = version[0]
    first = BASELINES.index(name) if name in BASELINES else len(BASELINES)
    return first, name, _number(version[1])


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)


_HEAD = (
    *(
        "model",
        "version",
        "n",
        "expired",
        "MAE s",
        "control s",
        "better by",
        "accuracy",
        "control",
        "±25 %",
        "in 80 %",
    ),
    *("strongest", "its s", "better by", "Brier by"),
)


def table(rows: Iterable[Achieved]) -> str:
    """Return a table with one line for each version, and ``-`` for a missing value.

    Each line compares the version with control and with the strongest baseline, which it names.
    """
    return aligned([_HEAD, *(_cells(row) for row in rows)])


def _cells(row: Achieved) -> tuple[str, ...]:
    return (
        row.name,
        row.version,
        str(row.n),
        str(row.expired),
        _seconds(row.mae_s),
        _seconds(row.control_mae_s),
        _percent(row.improvement),
        _percent(row.accuracy),
        _percent(row.control_accuracy),
        _percent(row.within_25),
        _percent(row.coverage_80),
        *_beside_strongest(row),
    )


def _beside_strongest(row: Achieved) -> tuple[str, ...]:
    found = row.headline
    if row.strongest is None or found is None:
        return ("-", "-", "-", "-")
    return (
        row.strongest,
        _seconds(found.baseline_mae_s),
        _percent(found.improvement),
        _percent(found.brier_improvement),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"

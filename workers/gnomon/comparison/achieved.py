"""What model versions achieved beside control on the same tasks, for reports and people."""

from collections.abc import Iterable, Sequence

import msgspec

from gnomon.comparison.merge import metrics_of
from gnomon.events import Comparison, ModelMetrics

CONTROL = "control"


class Achieved(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one model version; ``None`` where there is nothing to average.

    ``improvement`` is ``1 - mae_s / control_mae_s`` over the tasks both predicted; ``accuracy``
    is the share of tasks whose success was on the predicted side of one half; ``within_25`` the
    share of durations predicted to within a quarter.
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


def achieved(metrics: ModelMetrics) -> Achieved:
    """The part of ``metrics`` that a report shows."""
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
    )


def by_version(decisions: Sequence[Comparison]) -> list[Achieved]:
    """Figures of every version that predicted any of ``decisions``; control first."""
    versions = {(p.model, p.version) for d in decisions for p in d.predictions}
    return [
        achieved(metrics_of(decisions, model=model, version=version))
        for model, version in sorted(versions, key=_order)
    ]


def of_newest(decisions: Iterable[Comparison], *, name: str) -> Achieved:
    """Figures, under ``name``, of whatever model version was newest at each task."""
    relabelled = []
    for decision in decisions:
        models = [p for p in decision.predictions if p.model != CONTROL]
        kept = [p for p in decision.predictions if p.model == CONTROL]
        if models:
            newest = max(models, key=lambda p: _number(p.version))
            kept.append(msgspec.structs.replace(newest, model=name, version="newest"))
        relabelled.append(msgspec.structs.replace(decision, predictions=kept))
    return achieved(metrics_of(relabelled, model=name, version="newest"))


def _order(version: tuple[str, str]) -> tuple[bool, str, tuple[int, str]]:
    return version[0] != CONTROL, version[0], _number(version[1])


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)


_HEAD = ("model", "version", "n", "MAE s", "control s", "better by", "accuracy", "control", "±25 %")


def table(rows: Iterable[Achieved]) -> str:
    """One line a version, columns aligned; ``-`` where there is no figure."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _cells(row: Achieved) -> tuple[str, ...]:
    return (
        row.name,
        row.version,
        str(row.n),
        _seconds(row.mae_s),
        _seconds(row.control_mae_s),
        _percent(row.improvement),
        _percent(row.accuracy),
        _percent(row.control_accuracy),
        _percent(row.within_25),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"

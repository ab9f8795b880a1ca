"""What the baselines and each model version predict of a batch of tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from gnomon.comparison import BASELINES, CONTROL_MODEL, SAME_TYPE_MODEL, TYPE_MODEL
from gnomon.comparison.intervals.calibration import QUANTILES, CorrectionTable, bucket_of
from gnomon.events import Intervals
from gnomon.models import baselines
from gnomon.models.baselines import Predicted
from gnomon.models.intervals import intervals_of
from gnomon.models.predictor import LoadedModel, Predictions
from gnomon.models.table import Task


class Predictor(NamedTuple):
    """A baseline or a model version, and what it predicts of each task of a batch."""

    model: str
    version: str
    sha256: str | None
    predictions: Predictions
    intervals: Sequence[Intervals | None] | None = None


def of_model(
    model: LoadedModel, batches: Sequence[tuple[Sequence[Task], CorrectionTable]]
) -> list[Predictor]:
    """Predict several batches together, each with the corrections of its own.

    There are intervals if the model can tell how far durations spread.
    """
    together = model.predict_whole([task for tasks, _ in batches for task in tasks], QUANTILES)
    found, start = [], 0
    for tasks, corrections in batches:
        predictions = _part(together, start, start + len(tasks))
        intervals = _intervals(tasks, predictions, corrections)
        found.append(Predictor(model.name, model.version, model.sha256, predictions, intervals))
        start += len(tasks)
    return found


def _part(predictions: Predictions, start: int, end: int) -> Predictions:
    figures, parts, quantiles = predictions
    return Predictions(
        figures[start:end],
        None if parts is None else parts[start:end],
        None if quantiles is None else quantiles[start:end],
    )


def says_nothing(model: LoadedModel, count: int) -> Predictor:
    """``None`` for each of ``count`` tasks, of a version whose call went wrong."""
    nothing = Predictions([baselines.NOTHING] * count)
    return Predictor(model.name, model.version, model.sha256, nothing)


def _intervals(
    tasks: Sequence[Task], predictions: Predictions, corrections: CorrectionTable
) -> list[Intervals | None] | None:
    """Intervals of each task; ``None`` of a model that cannot tell how far durations spread."""
    if predictions.quantiles is None:
        return None
    buckets = [bucket_of(task.features.same_type_runs) for task in tasks]
    durations = [duration_s for duration_s, _ in predictions.figures]
    return intervals_of(durations, predictions.quantiles, buckets, corrections)


def of_baselines(tasks: Sequence[Task], live: Sequence[LoadedModel]) -> list[Predictor]:
    """What each baseline predicts, in the order of ``BASELINES``."""
    sha256, of_type = _of_type(tasks, live)
    figures: dict[str, list[Predicted]] = {
        CONTROL_MODEL: [baselines.control(task) for task in tasks],
        SAME_TYPE_MODEL: [baselines.same_type(task) for task in tasks],
        TYPE_MODEL: of_type,
    }
    return [
        Predictor(
            name,
            baselines.VERSION,
            sha256 if name == TYPE_MODEL else None,
            Predictions(figures[name]),
        )
        for name in BASELINES
    ]


def _of_type(
    tasks: Sequence[Task], live: Sequence[LoadedModel]
) -> tuple[str | None, list[Predicted]]:
    """What the newest live version that has a table of types tells, and its SHA-256."""
    with_table = [model for model in live if model.type_table is not None]
    newest = max(with_table, key=lambda model: _number(model.version), default=None)
    if newest is None or newest.type_table is None:
        return None, [baselines.NOTHING] * len(tasks)
    return newest.sha256, newest.type_table.predict([task.task_type for task in tasks])


def _number(version: str) -> int:
    return int(version) if version.isdigit() else -1

"""The losses of one task, of a model beside each baseline, as numbers that can be added up."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import add
from typing import Final, NamedTuple

from gnomon.verdict.evidence import losses
from gnomon.verdict.evidence.decided import JudgedPrediction
from gnomon.verdict.evidence.window import Window

LOG_LOSS: Final = "log_loss"
SECONDS: Final = "seconds"
BRIER: Final = "brier"
ACCURACY: Final = ("", "accuracy")
"""The pair that belongs to no baseline: 1 for the task, and 1 if the success was wrongly predicted."""

Pair = tuple[str, str]
"""Names of a baseline and of a loss."""


class TaskLosses(NamedTuple):
    """The losses of one task, or of several with the same pairs.

    Attributes:
        pairs: What is compared.
        values: For each of ``pairs`` the loss of the baseline and that of the model.
    """

    pairs: tuple[Pair, ...]
    values: list[int]


@lru_cache(maxsize=256)
def pairs_of(timed: tuple[str, ...], judged: tuple[str, ...] | None) -> tuple[Pair, ...]:
    """Return what is compared of a task.

    Args:
        timed: Baselines that predicted the duration, as the model did.
        judged: Those that predicted the success; ``None`` if the model did not.
    """
    pairs = [(name, loss) for name in timed for loss in (LOG_LOSS, SECONDS)]
    if judged is not None:
        pairs += [ACCURACY, *((name, BRIER) for name in judged)]
    return tuple(pairs)


def task_losses(
    prediction: JudgedPrediction,
    baselines: Mapping[str, JudgedPrediction],
    window: Window,
    *,
    actual_s: float | None,
    succeeded: bool | None,
) -> TaskLosses:
    """Compute the losses of a task; a quantity that was not predicted, or is not known, has none.

    Args:
        prediction: The model's.
        baselines: Predictions of the baselines by name.
        window: Where seconds are clipped.
        actual_s: How long the task took, in seconds.
        succeeded: Whether it succeeded.
    """
    timed: tuple[str, ...] = ()
    judged: tuple[str, ...] | None = None
    values: list[int] = []
    predicted_s, probability = prediction.duration_s, prediction.success_probability
    if actual_s is not None and predicted_s is not None:
        timed = tuple(n for n, b in baselines.items() if b.duration_s is not None)
        log, seconds = losses.on_log_axis(actual_s), losses.on_seconds_axis(actual_s)
        own_log = losses.distance(losses.on_log_axis(predicted_s), log, losses.LOG_CAP)
        own_us = abs(losses.on_seconds_axis(predicted_s) - seconds)
        for name in timed:
            theirs_s, clip = baselines[name].duration_s or 0.0, window.clip_us[name]
            values += (
                losses.distance(losses.on_log_axis(theirs_s), log, losses.LOG_CAP),
                own_log,
                losses.distance(losses.on_seconds_axis(theirs_s), seconds, clip),
                min(own_us, clip),
            )
    if succeeded is not None and probability is not None:
        judged = tuple(n for n, b in baselines.items() if b.success_probability is not None)
        values += (losses.ONE, losses.miss(probability, succeeded=succeeded))
        own = losses.brier(probability, succeeded=succeeded)
        for name in judged:
            theirs = baselines[name].success_probability or 0.0
            values += (losses.brier(theirs, succeeded=succeeded), own)
    return TaskLosses(pairs_of(timed, judged), values)


class PendingLosses:
    """Losses that are in no sums yet, added up by model, agent and hour.

    The sums of blocks have squares, so adding the tasks of a block at once takes far less than one after
    another, and gives the same numbers.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, int, tuple[Pair, ...]], list[int]] = {}

    def add(self, key: str, agent: str, hour: int, found: TaskLosses) -> None:
        """Add the losses of a task that ``agent`` was predicted in ``hour`` by the model ``key``."""
        block = (key, agent, hour, found.pairs)
        before = self._values.get(block)
        values = found.values
        self._values[block] = values if before is None else list(map(add, before, values))

    def take(self) -> Iterable[tuple[str, str, int, TaskLosses]]:
        """Return model, agent, hour and losses of every block, and forget them."""
        taken, self._values = self._values, {}
        return (
            (key, agent, hour, TaskLosses(pairs, values))
            for (key, agent, hour, pairs), values in taken.items()
        )

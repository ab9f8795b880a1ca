"""Counts and scores many tasks at once: what ``Evidence.count`` and ``Evidence.score`` do with one.

Both ways give the same numbers. A batch takes a third of the time, so the comparison stage, which adds
every task of a production system, uses this one.
"""

import math
from collections.abc import Sequence
from itertools import compress
from typing import Final, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnomon.verdict.challenger import Challenger
from gnomon.verdict.evidence import losses
from gnomon.verdict.evidence.decided import HOUR_MS, Decided
from gnomon.verdict.evidence.evidence import Evidence, by_key
from gnomon.verdict.evidence.task_losses import PendingLosses, TaskLosses, pairs_of
from gnomon.verdict.evidence.window import Window
from gnomon.verdict.settings import BASELINES

_COUNT: Final = len(BASELINES)
_JUDGED: Final = 1 << _COUNT
"""Bit of a group of tasks whose success was predicted by the model and is known."""
_ACCURACY: Final = 4 * _COUNT
"""Column of the accuracy's pair; before it are those of durations, after it those of Brier scores."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Block(NamedTuple):
    """The tasks of ``agent`` that the model ``key`` predicted in ``hour``."""

    key: str
    agent: str
    hour: int


class Columns:
    """Predictions of matched tasks, of each task at most one by each model and baseline.

    Arrays have one element for each prediction by a model; those with ``baseline`` in their name have
    the shape ``(len(BASELINES), tasks)``, with NaN where a baseline did not predict.
    """

    def __init__(self, decisions: Sequence[Decided]) -> None:
        made = [prediction for decided in decisions for prediction in decided.predictions]
        task = np.repeat(np.arange(len(decisions)), [len(d.predictions) for d in decisions])
        numbers: dict[tuple[str, str, str | None], int] = {}
        label = np.array(
            [numbers.setdefault((p.model, p.version, p.sha256), len(numbers)) for p in made],
            dtype=np.int64,
        )
        self.labels = list(numbers)
        keys: dict[str, int] = {}
        place = [_place(model) for model, _, _ in self.labels]
        key = [
            keys.setdefault(sha256 or f"{model}@{version}", len(keys)) if at < 0 else -1
            for at, (model, version, sha256) in zip(place, self.labels, strict=True)
        ]
        self.keys = list(keys)
        of_prediction = np.array(place, dtype=np.int64)[label]
        self._cells = task * (_COUNT + len(keys)) + np.where(
            of_prediction < 0, _COUNT + np.array(key, dtype=np.int64)[label], of_prediction
        )
        # None becomes NaN.
        duration_s = np.array([p.duration_s for p in made], dtype=float)
        probability = np.array([p.success_probability for p in made], dtype=float)
        own = of_prediction < 0
        self.task, self.label = task[own], label[own]
        self.key = np.array(key, dtype=np.int64)[self.label]
        self.duration_s, self.probability = duration_s[own], probability[own]
        shape = (_COUNT, len(decisions))
        self.baseline_s, self.baseline_probability = np.full(shape, np.nan), np.full(shape, np.nan)
        self.baseline_s[of_prediction[~own], task[~own]] = duration_s[~own]
        self.baseline_probability[of_prediction[~own], task[~own]] = probability[~own]
        self.started_ms = np.array([d.started_at_ms for d in decisions], dtype=np.int64)
        self._agents = [decided.agent_id for decided in decisions]

    @classmethod
    def of(cls, decisions: Sequence[Decided]) -> Self:
        """Make the columns; of several predictions by one model, that of ``by_key`` is kept."""
        found = cls(decisions)
        return found if found.is_unique else cls([_without_repeats(d) for d in decisions])

    @property
    def is_unique(self) -> bool:
        """Return whether no task has two predictions by one model or baseline."""
        return len(np.unique(self._cells)) == len(self._cells)

    def blocks(self) -> tuple[Integers, list[Block]]:
        """Return for each prediction the number of its block, and the blocks by their number."""
        agents: dict[str, int] = {}
        agent = np.array([agents.setdefault(each, len(agents)) for each in self._agents])
        names, hours = list(agents), self.started_ms // HOUR_MS
        first = int(hours.min())
        span = int(hours.max()) - first + 1
        code = (self.key * len(names) + agent[self.task]) * span + (hours - first)[self.task]
        found, number = np.unique(code, return_inverse=True)
        return number, [
            Block(
                self.keys[each // span // len(names)],
                names[each // span % len(names)],
                each % span + first,
            )
            for each in found.tolist()
        ]


def count_all(evidence: Evidence, decisions: Sequence[Decided]) -> set[Block]:
    """Count decisions that matched, as ``evidence.count`` does; return the blocks that they are in."""
    columns = Columns.of(decisions)
    if not len(columns.task):
        return set()
    answerable = ~np.isnan(columns.baseline_s).all(axis=0)[columns.task]
    answered = answerable & ~np.isnan(columns.duration_s)
    ratable = ~np.isnan(columns.baseline_probability).all(axis=0)[columns.task]
    rated = ratable & ~np.isnan(columns.probability)
    started_ms = columns.started_ms[columns.task]
    for number, key in enumerate(columns.keys):
        own = columns.key == number
        labels = [columns.labels[each] for each in np.unique(columns.label[own]).tolist()]
        found = evidence.challengers.get(key)
        if found is None:
            found = evidence.challengers[key] = Challenger(labels[0][2])
        for model, version, _ in labels:
            found.labels.setdefault(f"{model}@{version}", (model, version))
        found.counts.immature += int(own.sum())
        found.counts.answerable += int(answerable[own].sum())
        found.counts.answered += int(answered[own].sum())
        found.counts.ratable += int(ratable[own].sum())
        found.counts.rated += int(rated[own].sum())
        first, last = int(started_ms[own].min()), int(started_ms[own].max())
        found.first_ms = first if found.first_ms is None else min(found.first_ms, first)
        found.last_ms = last if found.last_ms is None else max(found.last_ms, last)
    return set(columns.blocks()[1])


def score_all(
    evidence: Evidence, decisions: Sequence[Decided], pending: PendingLosses
) -> set[Block]:
    """Score decisions that matched, as ``evidence.score`` does; return the blocks that they are in."""
    columns = Columns.of(decisions)
    if not len(columns.task):
        return set()
    actual_s = np.array([d.duration_s for d in decisions], dtype=float)
    succeeded = np.array([d.succeeded for d in decisions], dtype=float)
    _count_mature(evidence, columns, actual_s)
    number, blocks = columns.blocks()
    durations, timed = _duration_losses(columns, actual_s, evidence.window)
    success, judged = _success_losses(columns, succeeded)
    code = (number << (2 * _COUNT + 1)) + (judged << _COUNT) + timed
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    values = np.add.reduceat(np.hstack((durations, success))[order], starts, axis=0)
    for each, row in zip(code[order][starts].tolist(), values.tolist(), strict=True):
        block = blocks[each >> (2 * _COUNT + 1)]
        if block.key in evidence.challengers:
            found = _losses(each >> _COUNT & 2 * _JUDGED - 1, each & _JUDGED - 1, row)
            pending.add(block.key, block.agent, block.hour, found)
    return {block for block in blocks if block.key in evidence.challengers}


def _count_mature(evidence: Evidence, columns: Columns, actual_s: Floats) -> None:
    off_s = np.abs(columns.duration_s - actual_s[columns.task])
    known = ~np.isnan(off_s)
    within = off_s <= 0.25 * actual_s[columns.task]
    for number, key in enumerate(columns.keys):
        found, own = evidence.challengers.get(key), columns.key == number
        if found is not None:
            found.counts.immature -= int(own.sum())
            found.counts.decisions += int((known & own).sum())
            found.counts.within_25 += int((within & own).sum())


def _duration_losses(
    columns: Columns, actual_s: Floats, window: Window
) -> tuple[Integers, Integers]:
    """Return a row of losses for each prediction, and which baselines it is compared with, as bits."""
    task, known = columns.task, ~np.isnan(columns.duration_s + actual_s[columns.task])
    log, seconds = _log_axis(actual_s)[task], _seconds_axis(actual_s)[task]
    own_log = np.minimum(np.abs(_log_axis(columns.duration_s) - log), losses.LOG_CAP)
    own_us = np.abs(_seconds_axis(columns.duration_s) - seconds)
    rows, mask = np.zeros((len(task), _ACCURACY), dtype=np.int64), np.zeros_like(task)
    for place, name in enumerate(BASELINES):
        both = known & ~np.isnan(columns.baseline_s[place, task])
        mask |= both.astype(np.int64) << place
        theirs_log = _log_axis(columns.baseline_s[place])[task]
        theirs_us = _seconds_axis(columns.baseline_s[place])[task]
        clip = window.clip_us[name]
        found = (
            np.minimum(np.abs(theirs_log - log), losses.LOG_CAP),
            own_log,
            np.minimum(np.abs(theirs_us - seconds), clip),
            np.minimum(own_us, clip),
        )
        for index, values in enumerate(found):
            rows[:, 4 * place + index] = np.where(both, values, 0)
    return rows, mask


def _success_losses(columns: Columns, succeeded: Floats) -> tuple[Integers, Integers]:
    """Return a row of losses for each prediction, and bits: of the baselines, and ``_JUDGED``."""
    outcome = succeeded[columns.task]
    judged = ~np.isnan(columns.probability + outcome)
    wrong = (columns.probability >= 0.5) != (outcome == 1.0)  # noqa: PLR2004  the side of a half
    rows = np.zeros((len(outcome), 2 + 2 * _COUNT), dtype=np.int64)
    rows[:, 0], rows[:, 1] = judged * losses.ONE, (judged & wrong) * losses.ONE
    mask = judged.astype(np.int64) << _COUNT
    own = _brier(columns.probability, outcome)
    for place in range(_COUNT):
        theirs = columns.baseline_probability[place, columns.task]
        both = judged & ~np.isnan(theirs)
        mask |= both.astype(np.int64) << place
        rows[:, 2 + 2 * place] = np.where(both, _brier(theirs, outcome), 0)
        rows[:, 3 + 2 * place] = np.where(both, own, 0)
    return rows, mask


def _losses(judged: int, timed: int, row: Sequence[int]) -> TaskLosses:
    """Return the pairs of a group of tasks and those of the row's values that belong to them."""
    of_durations = [bool(timed >> place & 1) for place in range(_COUNT)]
    of_success = [bool(judged >> place & 1) for place in range(_COUNT)]
    is_judged = bool(judged & _JUDGED)
    kept = [flag for flag in of_durations for _ in range(4)]
    kept += [is_judged] * 2 + [flag for flag in of_success for _ in range(2)]
    names = tuple(compress(BASELINES, of_success)) if is_judged else None
    return TaskLosses(
        pairs_of(tuple(compress(BASELINES, of_durations)), names), list(compress(row, kept))
    )


def _log_axis(seconds: Floats) -> Integers:
    """Return ``losses.on_log_axis`` of each, with the same function of the same library."""
    finite = np.where(np.isfinite(seconds), seconds, 0.0)
    found = np.rint(np.array(list(map(math.log1p, finite.tolist()))) * losses.ONE)
    return np.where(np.isfinite(seconds), found, losses.FAR).astype(np.int64)


def _seconds_axis(seconds: Floats) -> Integers:
    """Return ``losses.on_seconds_axis`` of each."""
    return np.rint(np.fmin(seconds * 1e6, losses.FAR)).astype(np.int64)


def _brier(probability: Floats, succeeded: Floats) -> Integers:
    """Return ``losses.brier`` of each; 0 where either is not known."""
    miss = np.nan_to_num(probability - succeeded)
    return np.rint(miss * miss * losses.ONE).astype(np.int64)


def _place(model: str) -> int:
    return BASELINES.index(model) if model in BASELINES else -1


def _without_repeats(decided: Decided) -> Decided:
    baselines, models = by_key(decided.predictions)
    return msgspec.structs.replace(decided, predictions=(*baselines.values(), *models.values()))

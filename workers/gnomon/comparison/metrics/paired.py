"""Sums of a model's errors beside those of the baselines, on the tasks that both predicted.

Tasks are grouped by which baselines predicted them, so that from the groups' sums a model can be
compared with each baseline on the tasks that both predicted, and the baselines with each other on the
tasks that all of them predicted. The sums of several partitions can be added.
"""

from typing import Final

import msgspec

from gnomon.comparison.sources import BASELINES
from gnomon.events import ModelMetrics

ENOUGH_SHARE: Final = 0.5
"""A baseline is a candidate for the strongest if it predicted this share of the model's tasks."""
_PLACE: Final = {name: index for index, name in enumerate(BASELINES)}
_ERRORS: Final = 2 + len(BASELINES)
_SUCCESS: Final = 3 + 2 * len(BASELINES)

Groups = dict[str, list[int]]
"""Sums by the names of the baselines that predicted the quantity, joined with ``+``.

Of durations: number of tasks, sum of the model's absolute errors, and of each baseline's, in
microseconds. Of success: number of tasks; of the model and of each baseline the number of tasks on the
predicted side of one half, and the sum of squared errors in parts per million. Baselines are in the
order of ``BASELINES``; those that did not predict have zeros."""


class Paired(msgspec.Struct, array_like=True, gc=False):
    """The sums of one model version."""

    errors: Groups = {}
    success: Groups = {}

    def add(self, other: "Paired", sign: int = 1) -> None:
        """Add ``other``, or subtract it if ``sign`` is -1."""
        for kept, added in ((self.errors, other.errors), (self.success, other.success)):
            for name, row in added.items():
                old = kept.get(name)
                new = [sign * n for n in row]
                if old is not None:
                    new = [a + b for a, b in zip(old, new, strict=True)]
                if new[0]:
                    kept[name] = new
                else:
                    kept.pop(name, None)


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of a model and one baseline on the tasks that both predicted; ``None`` if there are none.

    ``n`` counts durations and ``n_success`` probabilities; errors are in seconds. ``improvement`` is
    ``1 - mae_s / baseline_mae_s``, and ``brier_improvement`` is the same for the Brier scores. Both
    are also ``None`` if the baseline makes no error.
    """

    n: int
    mae_s: float | None
    baseline_mae_s: float | None
    improvement: float | None
    n_success: int
    accuracy: float | None
    baseline_accuracy: float | None
    brier: float | None
    baseline_brier: float | None
    brier_improvement: float | None


def paired_sums(record: ModelMetrics) -> Paired:
    """Return the sums from which ``record`` was made."""
    return Paired(record.paired_errors, record.paired_success)


def with_baselines(record: ModelMetrics, paired: Paired) -> ModelMetrics:
    """Return ``record`` with the comparison with every baseline."""
    if not paired.errors and not paired.success:
        return record
    found, strongest = against_of(paired)
    return msgspec.structs.replace(
        record,
        paired_errors={name: paired.errors[name] for name in sorted(paired.errors)},
        paired_success={name: paired.success[name] for name in sorted(paired.success)},
        strongest=strongest,
        improvement_over={
            name: each.improvement for name, each in found.items() if each.improvement is not None
        },
    )


def against_of(paired: Paired) -> tuple[dict[str, Against], str | None]:
    """Return the comparison with every baseline that predicted, and the name of the strongest.

    The strongest has the lowest mean absolute error over the tasks that the model and all
    candidates predicted (see ``ENOUGH_SHARE``).
    """
    found = {name: _against(paired, name) for name in BASELINES}
    return {n: a for n, a in found.items() if a.n or a.n_success}, _strongest(paired.errors)


def _against(paired: Paired, name: str) -> Against:
    place = _PLACE[name]
    errors = _sum(paired.errors, {name}, _ERRORS)
    success = _sum(paired.success, {name}, _SUCCESS)
    n, n_success = errors[0], success[0]
    error, theirs = errors[1], errors[2 + place]
    right, squared = success[1], success[2]
    their_right, their_squared = success[3 + 2 * place], success[4 + 2 * place]
    return Against(
        n=n,
        mae_s=_ratio(error, n * 1_000_000),
        baseline_mae_s=_ratio(theirs, n * 1_000_000),
        improvement=1.0 - error / theirs if theirs else None,
        n_success=n_success,
        accuracy=_ratio(right, n_success),
        baseline_accuracy=_ratio(their_right, n_success),
        brier=_ratio(squared, n_success * 1_000_000),
        baseline_brier=_ratio(their_squared, n_success * 1_000_000),
        brier_improvement=1.0 - squared / their_squared if their_squared else None,
    )


def _strongest(groups: Groups) -> str | None:
    timed = sum(row[0] for row in groups.values())
    candidates = [
        name for name in BASELINES if timed and _sum(groups, {name}, 1)[0] >= ENOUGH_SHARE * timed
    ]
    common = _sum(groups, set(candidates), _ERRORS)
    if not candidates or not common[0]:
        return None
    return min(candidates, key=lambda name: common[2 + _PLACE[name]])


def _sum(groups: Groups, names: set[str], width: int) -> list[int]:
    """Add up the groups of tasks that all baselines ``names`` predicted."""
    total = [0] * width
    for key, row in groups.items():
        if names.issubset(key.split("+")):
            total = [a + b for a, b in zip(total, row, strict=False)]
    return total


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

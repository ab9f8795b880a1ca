"""Compares a model with each baseline, on the tasks that both predicted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gnomon.comparison.sources import BASELINES
from gnomon.comparison.sums import SUCCESS_THRESHOLD
from gnomon.events import Comparison, ModelPrediction

ENOUGH_SHARE = 0.5
"""A baseline is a candidate for the strongest if it predicted this share of the model's tasks."""


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


class _Task(NamedTuple):
    """One matched task: its outcome, the model's prediction, and each baseline's prediction."""

    duration_s: float | None
    succeeded: bool | None
    model: ModelPrediction
    baselines: Mapping[str, ModelPrediction]

    def errors_s(self, name: str) -> tuple[float, float] | None:
        """Return the model's absolute error and the baseline's, if both predicted a duration."""
        baseline, actual_s = self.baselines.get(name), self.duration_s
        if baseline is None or actual_s is None:
            return None
        one, other = self.model.duration_s, baseline.duration_s
        if one is None or other is None:
            return None
        return abs(one - actual_s), abs(other - actual_s)

    def rates(self, name: str) -> tuple[float, float, bool] | None:
        """Return the model's and the baseline's probability of success, and the outcome, if all are known."""
        baseline, succeeded = self.baselines.get(name), self.succeeded
        if baseline is None or succeeded is None:
            return None
        one, other = self.model.success_probability, baseline.success_probability
        return None if one is None or other is None else (one, other, succeeded)


def against_baselines(
    decisions: Iterable[Comparison], *, model: str, version: str
) -> tuple[dict[str, Against], str | None]:
    """Return the comparison with every baseline that predicted, and the name of the strongest.

    The strongest has the lowest mean absolute error over the tasks that the model and all
    candidates predicted (see ``ENOUGH_SHARE``). A baseline is not compared with itself.
    """
    tasks = _tasks(decisions, model=model, version=version)
    names = [name for name in BASELINES if name != model]
    found = {name: _against(tasks, name) for name in names}
    return {n: a for n, a in found.items() if a.n or a.n_success}, _strongest(tasks, names)


def _tasks(decisions: Iterable[Comparison], *, model: str, version: str) -> list[_Task]:
    tasks = []
    for decision in decisions:
        if decision.outcome.status != "matched":
            continue
        baselines = {p.model: p for p in decision.predictions if p.model in BASELINES}
        made = [p for p in decision.predictions if (p.model, p.version) == (model, version)]
        if made:
            outcome = decision.outcome
            tasks.append(_Task(outcome.duration_s, outcome.succeeded, made[-1], baselines))
    return tasks


def _against(tasks: Sequence[_Task], name: str) -> Against:
    errors = [pair for task in tasks if (pair := task.errors_s(name)) is not None]
    rates = [triple for task in tasks if (triple := task.rates(name)) is not None]
    mae_s, baseline_mae_s = _mean(e for e, _ in errors), _mean(e for _, e in errors)
    brier = _mean((p - ok) ** 2 for p, _, ok in rates)
    baseline_brier = _mean((p - ok) ** 2 for _, p, ok in rates)
    return Against(
        n=len(errors),
        mae_s=mae_s,
        baseline_mae_s=baseline_mae_s,
        improvement=_improvement(mae_s, baseline_mae_s),
        n_success=len(rates),
        accuracy=_mean((p >= SUCCESS_THRESHOLD) == ok for p, _, ok in rates),
        baseline_accuracy=_mean((p >= SUCCESS_THRESHOLD) == ok for _, p, ok in rates),
        brier=brier,
        baseline_brier=baseline_brier,
        brier_improvement=_improvement(brier, baseline_brier),
    )


def _strongest(tasks: Sequence[_Task], names: Sequence[str]) -> str | None:
    errors = {name: [task.errors_s(name) for task in tasks] for name in names}
    timed = sum(t.model.duration_s is not None and t.duration_s is not None for t in tasks)
    candidates = [
        name
        for name, pairs in errors.items()
        if timed and len(pairs) - pairs.count(None) >= ENOUGH_SHARE * timed
    ]
    common = [
        at for at in range(len(tasks)) if all(errors[name][at] is not None for name in candidates)
    ]
    if not common or not candidates:
        return None

    def error_s(name: str) -> float:
        return math.fsum(pair[1] for at in common if (pair := errors[name][at]) is not None)

    return min(candidates, key=error_s)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else None


def _improvement(error: float | None, baseline: float | None) -> float | None:
    return None if error is None or not baseline else 1.0 - error / baseline

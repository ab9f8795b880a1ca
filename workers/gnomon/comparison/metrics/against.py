"""Compares a model with each baseline over a list of comparisons."""

from collections.abc import Iterable, Sequence
from typing import Final

from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.batch import MatchedTask, sums_of
from gnomon.comparison.metrics.hour_sums import HourSums
from gnomon.comparison.metrics.paired import Against, Paired, against_of
from gnomon.comparison.sources import BASELINES
from gnomon.events import Comparison

_AT_ONCE: Final = 10_000
"""Tasks that are added up at once, so that memory does not grow with their number."""


def against_baselines(
    decisions: Iterable[Comparison], *, model: str, version: str
) -> tuple[dict[str, Against], str | None]:
    """Return the comparison with every baseline that predicted, and the name of the strongest.

    A baseline is not compared with itself; see ``gnomon.comparison.metrics.paired.against_of``.
    """
    return against_of(paired_of(decisions, model=model, version=version))


def paired_of(decisions: Iterable[Comparison], *, model: str, version: str) -> Paired:
    """Return the sums of a model version beside those of the baselines over the matched ``decisions``."""
    return figures_of(decisions, model=model, version=version, pair_baselines=True).paired


def figures_of(
    comparisons: Iterable[Comparison], *, model: str, version: str, pair_baselines: bool
) -> HourSums:
    """Add up one model version over the matched ones of ``comparisons``, and count the expired.

    Args:
        comparisons: In any order. Of several predictions of one model, the last counts.
        model: Name of the model.
        version: Its version.
        pair_baselines: Whether a baseline is compared with the other baselines.
    """
    total, matched = HourSums(), list[MatchedTask]()
    places = [BASELINES.index(model) if model in BASELINES else -1, *range(len(BASELINES))]
    for comparison in comparisons:
        own = [p for p in comparison.predictions if (p.model, p.version) == (model, version)]
        if own and comparison.outcome.status == "expired":
            total.row[sums.EXPIRED] += 1
        elif own and comparison.outcome.status == "matched":
            others = [
                p for p in comparison.predictions if p.model in BASELINES and p is not own[-1]
            ]
            models = [0, *(1 + BASELINES.index(p.model) for p in others)]
            matched.append(MatchedTask(comparison.outcome, [own[-1], *others], models, agent=""))
        if len(matched) >= _AT_ONCE:
            _add(total, matched, places, pair_baselines=pair_baselines)
            matched.clear()
    _add(total, matched, places, pair_baselines=pair_baselines)
    return total


def _add(
    total: HourSums, matched: Sequence[MatchedTask], places: Sequence[int], *, pair_baselines: bool
) -> None:
    """Add what the model with the number 0 predicted."""
    for (number, _), of_hour in sums_of(
        matched, places, pair_baselines=pair_baselines
    ).hours.items():
        if number == 0:
            total.add(of_hour)

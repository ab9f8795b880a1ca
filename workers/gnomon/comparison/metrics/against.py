"""Compares a model with each baseline over a list of comparisons."""

from collections.abc import Iterable

from gnomon.comparison.metrics.paired import (
    Against,
    Paired,
    add_paired,
    against_of,
    results_of,
    without,
)
from gnomon.comparison.metrics.sums import result_of
from gnomon.events import Comparison


def against_baselines(
    decisions: Iterable[Comparison], *, model: str, version: str
) -> tuple[dict[str, Against], str | None]:
    """Return the comparison with every baseline that predicted, and the name of the strongest.

    A baseline is not compared with itself; see ``gnomon.comparison.metrics.paired.against_of``.
    """
    return against_of(paired_of(decisions, model=model, version=version))


def paired_of(decisions: Iterable[Comparison], *, model: str, version: str) -> Paired:
    """Return the sums of a model version beside those of the baselines over the matched ``decisions``."""
    paired = Paired()
    for decision in decisions:
        made = [p for p in decision.predictions if (p.model, p.version) == (model, version)]
        if decision.outcome.status == "matched" and made:
            found = {p.model: result_of(decision.outcome, p) for p in decision.predictions}
            own = result_of(decision.outcome, made[-1])
            add_paired(paired, own, without(results_of(found), model))
    return paired

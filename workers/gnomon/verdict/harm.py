"""Finds the agents that a model surely harms, with tests that hold at any time for many agents."""

import math
from collections.abc import Mapping
from typing import Final

from gnomon.verdict.evidence.sums import BB, BC, CC, B, C, T
from gnomon.verdict.result import Harmed
from gnomon.verdict.sequence import Plan

MOST_LOG: Final = 690.0
"""Largest logarithm of an e-value, so that the e-value is a finite number."""
_FAR_BELOW: Final = -20.0
"""Below this, Φ is computed by its asymptotic series: two terms are exact to a hundred-thousandth."""


def e_value(row: list[int], plan: Plan) -> float:
    """Return the e-value against "the model's mean loss over one agent's blocks is at most the baseline's".

    It is the half-normal mixture of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49 (2021), with the
    variance estimated: if there is no harm, it ever exceeds x with probability at most 1 / x.

    Args:
        row: A row of ``Sums.agents``.
        plan: Its ``rho`` tunes the mixture.
    """
    t = row[T]
    if t < 2:  # noqa: PLR2004  one block does not vary
        return 1.0
    total = float(row[C] - row[B])
    squares = row[BB] - 2 * row[BC] + row[CC]
    variance = (t * squares - (row[C] - row[B]) ** 2) / (t * (t - 1))
    if not variance > 0:
        return math.exp(MOST_LOG) if total > 0 else 1.0
    precision = plan.rho**-2
    w = t + precision
    s = total / math.sqrt(variance)
    log = _log_mills(s / math.sqrt(w)) + math.log(2) + 0.5 * math.log(precision / w)
    return math.exp(min(log, MOST_LOG))


def _log_mills(z: float) -> float:
    """Return log(Φ(z) exp(z² / 2)), where neither factor would be a number far below 0."""
    if z > _FAR_BELOW:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2))) + 0.5 * z * z
    return -math.log(-z) - 0.5 * math.log(2 * math.pi) + math.log1p(-1 / (z * z))


def e_bh(
    e_values: Mapping[str, float], alpha: float, *, hypotheses: int | None = None
) -> list[str]:
    """Return the names whose hypotheses are rejected at a false discovery rate of at most ``alpha``.

    Wang and Ramdas, "False discovery rate control with e-values", JRSS B 84 (2022): valid whatever
    the dependence between them. The greatest comes first.

    Args:
        e_values: E-values by name. Those below 1 / ``alpha`` are never rejected and may be left out.
        alpha: Level.
        hypotheses: Number of hypotheses, if some were left out.
    """
    tested = max(len(e_values), hypotheses or 0)
    ranked = sorted(e_values, key=lambda name: (-e_values[name], name))
    rejected = 0
    for rank, name in enumerate(ranked, start=1):
        if e_values[name] >= tested / (rank * alpha):
            rejected = rank
    return ranked[:rejected]


def harmed(
    agents: Mapping[str, list[int]], plan: Plan, *, min_blocks: int, judged: int | None = None
) -> list[Harmed]:
    """Return the agents that the model surely harms, among those with at least ``min_blocks`` blocks.

    Args:
        agents: Rows of ``Sums.agents``.
        plan: Its ``alpha`` is the false discovery rate.
        min_blocks: Agents with fewer blocks are not judged.
        judged: Number of agents with enough blocks, if some with small e-values were left out.
    """
    found = {agent: e_value(row, plan) for agent, row in agents.items() if row[T] >= min_blocks}
    return [
        Harmed(
            agent_id=agent,
            blocks=agents[agent][T],
            improvement=1 - agents[agent][C] / agents[agent][B] if agents[agent][B] else None,
            e_value=found[agent],
        )
        for agent in e_bh(found, plan.alpha, hypotheses=judged)
    ]

"""Measures how durations vary: between repeated runs of one agent and type, between agents, between types.

If agents hardly differ in what they find hard, one agent's runs of a type tell another agent much.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LAST_REPEATS: Final = 20
"""Most last runs of one agent and type, as in the means of the feature vector."""
POINTS: Final = 21

USUAL: Final = (0.4, 0.4, 0.2)
"""Usual shares of types, agents and runs in the whole variance."""
USUAL_FREEDOM: Final = 10.0
"""Degrees of freedom that the usual shares count beside those of the data."""

_LEAST: Final = 1e-9


def repeat_spread(
    durations: NDArray[np.float64], agents: Sequence[object], types: Sequence[object]
) -> NDArray[np.float64]:
    """Return quantiles of ``log1p`` of a run minus that of the mean of its agent's other runs of the type.

    Args:
        durations: In seconds, by time; shape ``(n,)``.
        agents: Agent of each run.
        types: Type of each run.

    Returns:
        ``POINTS`` values, ascending, each for an equal share of the runs; a single 0 if no run
        was repeated.
    """
    cells: defaultdict[tuple[object, object], list[float]] = defaultdict(list)
    for cell, duration_s in zip(zip(agents, types, strict=True), durations.tolist(), strict=True):
        cells[cell].append(duration_s)
    found = []
    for runs in cells.values():
        own = np.array(runs[-LAST_REPEATS:])
        if len(own) > 1:
            others = (own.sum() - own) / (len(own) - 1)
            found.append(np.log1p(own) - np.log1p(np.maximum(others, 0.0)))
    if not found:
        return np.zeros(1)
    levels = (np.arange(POINTS) + 0.5) / POINTS
    spread: NDArray[np.float64] = np.quantile(np.concatenate(found), levels)
    return spread


def variance_ratios(
    logs: NDArray[np.float64], of_type: NDArray[np.intp], owner: NDArray[np.intp]
) -> tuple[float, float]:
    """Return the variance from agent to agent and that from run to run, each over that from type to type.

    They are estimated by the moments of the means of cells (the runs of one type by one agent), and drawn
    to the usual ones where few types have several agents.

    Args:
        logs: Durations less their agents' speeds, as ``log1p`` of seconds.
        of_type: The type of each run, a number.
        owner: The agent of each run, a number.
    """
    cells, cell, runs = np.unique(
        np.column_stack([of_type, owner]), axis=0, return_inverse=True, return_counts=True
    )
    types, type_of_cell = np.unique(cells[:, 0], return_inverse=True)
    agents = np.bincount(type_of_cell)
    free_runs, free_agents = len(logs) - len(cells), len(cells) - len(types)
    usual = np.array(USUAL)
    if not (free_runs and free_agents) or len(types) == 1:
        return float(usual[1] / usual[0]), float(usual[2] / usual[0])
    means = np.bincount(cell.ravel(), logs) / runs
    of_runs = float(((logs - means[cell.ravel()]) ** 2).sum()) / free_runs
    type_means = np.bincount(type_of_cell, means) / agents
    noise = of_runs * np.bincount(type_of_cell, 1.0 / runs) / agents
    apart = float(((means - type_means[type_of_cell]) ** 2).sum())
    of_agents = max(apart - float(((agents - 1) * noise).sum()), 0.0) / free_agents
    of_types = float(type_means.var(ddof=1)) - float(((of_agents + noise) / agents).mean())
    found = np.array([max(of_types, 0.0), of_agents, of_runs])
    share = free_agents / (free_agents + USUAL_FREEDOM)
    drawn = np.maximum(share * found + (1.0 - share) * usual * found.sum(), _LEAST)
    return float(drawn[1] / drawn[0]), float(drawn[2] / drawn[0])

"""Measures how agents differ from each other: how long they take, and how often they succeed.

Both are measured beside other agents' runs of the same types, and shrunk for an agent with few runs.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LAST_RUNS: Final = 200
"""Most last runs of an agent from which it is measured."""
SPEED_SHRINKAGE: Final = 20.0
"""Number of runs of an average agent that are added to an agent's own when its speed is measured."""
SMOOTHING: Final = 2.0
"""Number of average runs that are added to the runs of a type when its success rate is measured."""

_ABLEST: Final = 20.0
_HALVINGS: Final = 40


def speeds(
    relative: NDArray[np.float64], owner: NDArray[np.intp], agents: int
) -> NDArray[np.float64]:
    """Return how much longer each agent takes than others, as a logarithm; the last is for unknown agents.

    Args:
        relative: ``log1p`` of each run's duration less the mean of its type, by time.
        owner: Row of the agent of each run.
        agents: Number of agents.
    """
    found = np.zeros(agents + 1)
    for runs in _by_agent(owner):
        last = runs[-LAST_RUNS:]
        shrunk = len(last) / (len(last) + SPEED_SHRINKAGE)
        found[owner[last[0]]] = np.median(relative[last]) * shrunk
    return found


def abilities(
    rates: NDArray[np.float64],
    successes: NDArray[np.bool_],
    owner: NDArray[np.intp],
    agents: int,
) -> NDArray[np.float64]:
    """Return how much more often each agent succeeds than others, as log odds; the last is for unknown agents.

    This is the ability of a Rasch model whose types' difficulties are known: the most likely one, if
    abilities are normal with variance 1.

    Args:
        rates: The success rate of the type of each run, by time.
        successes: Whether each run succeeded.
        owner: Row of the agent of each run.
        agents: Number of agents.
    """
    last = np.concatenate([runs[-LAST_RUNS:] for runs in _by_agent(owner)])
    of, rate, succeeded = (
        owner[last],
        rates[last],
        np.bincount(owner[last], successes[last], agents),
    )
    low, high = np.full(agents, -_ABLEST), np.full(agents, _ABLEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = np.bincount(of, at_ability(rate, middle[of]), agents)
        too_low = succeeded - expected > middle
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return np.append((low + high) / 2, 0.0)


def ability_of(
    rate: NDArray[np.float64], runs: NDArray[np.float64], average: float
) -> NDArray[np.float64]:
    """Return about the ability of agents of which only a rate is known, as if all tasks were average.

    Args:
        rate: Success rate of each agent's last runs.
        runs: Number of these.
        average: Success rate of all runs.
    """
    found: NDArray[np.float64] = runs * (rate - average) / (runs * average * (1.0 - average) + 1.0)
    return found


def at_ability(rate: NDArray[np.float64], ability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a success rate for an agent with this ability; rates of 0 and 1 stay as they are."""
    odds = rate * np.exp(ability)
    found: NDArray[np.float64] = odds / (1.0 - rate + odds)
    return found


def rates_of_types(
    of_types: Mapping[str, Sequence[int]], successes: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the smoothed success rate of each type, and that of all runs for every other type."""
    average = float(successes.mean())
    found = [
        (successes[rows].sum() + SMOOTHING * average) / (len(rows) + SMOOTHING)
        for rows in map(list, of_types.values())
    ]
    return np.array([*found, average], np.float64)


def _by_agent(owner: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the rows of each agent's runs, by time."""
    order = np.argsort(owner, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)

"""Finds the agents of one partition that a model may harm, testing only those with new tasks."""

from collections.abc import Iterable
from typing import Final

from gnomon.verdict.challenger import Challenger
from gnomon.verdict.evidence.sums import T
from gnomon.verdict.evidence.task_losses import LOG_LOSS
from gnomon.verdict.harm import e_value
from gnomon.verdict.sequence import Plan
from gnomon.verdict.settings import VerdictSettings

MAX_SUSPECTS: Final = 50
"""Agents of one partition and model that are published, those with the greatest e-values."""


class Suspects:
    """E-values of at least 1 / alpha, by model and agent: e-BH rejects no hypothesis below it.

    Nothing here is part of a snapshot: after a restart all agents are tested once.
    """

    def __init__(self, settings: VerdictSettings) -> None:
        self._settings, self._plan = settings, Plan.of(settings)
        self._touched: dict[str, set[str]] = {}
        self._found: dict[str, dict[str, float]] = {}
        self._judged: dict[str, set[str]] = {}

    def touch(self, key: str, agent: str) -> None:
        """Note that a task of ``agent`` was added to the model ``key``."""
        self._touched.setdefault(key, set()).add(agent)

    def forget(self, key: str) -> None:
        """Forget a model."""
        for of in (self._touched, self._found, self._judged):
            of.pop(key, None)

    def test(self, key: str, challenger: Challenger) -> tuple[dict[str, list[int]], int]:
        """Test the agents with new tasks.

        Returns:
            The rows over blocks of the suspects, and the number of agents with enough blocks.
        """
        versus = challenger.against.get(self._settings.reference)
        sums = versus.sums.get(LOG_LOSS) if versus is not None else None
        touched = self._touched.pop(key, set())
        if sums is None:
            return {}, 0
        known = key in self._found
        found = self._found.setdefault(key, {})
        judged = self._judged.setdefault(key, set())
        self._test_rows(found, judged, sums.agents, touched if known else sums.agents)
        worst = sorted(found, key=lambda agent: (-found[agent], agent))[:MAX_SUSPECTS]
        return {agent: sums.agents[agent] for agent in worst}, len(judged)

    def _test_rows(
        self,
        found: dict[str, float],
        judged: set[str],
        rows: dict[str, list[int]],
        agents: Iterable[str],
    ) -> None:
        for agent in agents:
            row = rows.get(agent)
            if row is None or row[T] < self._settings.min_blocks:
                continue
            judged.add(agent)
            e = e_value(row, self._plan)
            if e * self._settings.alpha >= 1:
                found[agent] = e
            else:
                found.pop(agent, None)

"""Stage 1, features: task events in; started tasks with their feature vectors out.

Also writes each agent's latest rolling features, what has been read of each client process, and
refuses what is no task event: the only stage that makes a dead letter of a record of task-events.
"""

import logging
from collections.abc import Mapping, Sequence

from gnomon.features import (
    FeaturesConfig,
    FeaturesState,
    fold,
    implementation,
    restore,
    snapshot,
    tick,
)
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.topics import TASK_EVENTS

logger = logging.getLogger(__name__)


class FeaturesStage:
    """The fold of ``gnomon.features`` on the runtime."""

    name = "features"
    inputs = (TASK_EVENTS.name,)
    stateful = True
    gather_ms = 15
    nice = 0

    def __init__(self, settings: Settings, *, metrics: Metrics) -> None:
        self._config = FeaturesConfig.from_settings(settings)
        self._metrics = metrics

    async def start(self) -> None:
        """Say it where the fold takes several times its time."""
        if not implementation.COMPILED:
            logger.warning("features.not_compiled", extra={"see": "docs/operations.md"})

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> FeaturesState:
        """No agent is known."""
        return FeaturesState(partition=partition)

    async def apply(self, state: FeaturesState, records: Sequence[SourceRecord]) -> Outputs:
        """Fold the batch."""
        outputs = fold(state, records, config=self._config)
        partition, producers = str(state.partition), state.producers
        self._metrics.set("gnomon_records_repeated", producers.repeated, partition)
        self._metrics.set("gnomon_producers_known", len(producers), partition)
        return outputs

    def tick(self, state: FeaturesState, idle_ms: int) -> Outputs:
        """Let silent agents' features decay, and tell of clients: time goes on if nothing comes."""
        newest_ms = max((agent.newest_ms for agent in state.agents.values()), default=0)
        return tick(state, newest_ms + idle_ms)

    def snapshot(self, state: FeaturesState) -> bytes:
        """All agents and producers."""
        return snapshot(state)

    def restore(self, partition: int, data: bytes) -> FeaturesState:
        """All agents and producers."""
        return restore(data, partition=partition)

    def status(self) -> Mapping[str, object]:
        """Which form of an agent's memory this installation has."""
        return {"memory": "compiled" if implementation.COMPILED else "python"}

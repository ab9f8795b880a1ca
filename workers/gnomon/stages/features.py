"""Stage 1, features: reads task events; writes started tasks with their feature vectors.

It also writes each agent's latest rolling features and what has been read of each client process. It
refuses records that are no valid task events: no other stage makes dead letters of task-events.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from gnomon.features import (
    FeaturesConfig,
    FeaturesState,
    fold,
    implementation,
    restore,
    snapshot,
    snapshot_steps,
    tick,
)
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.steps import Steps
from gnomon.topics import AGENT_FEATURES, TASK_EVENTS, TASK_FEATURES

logger = logging.getLogger(__name__)

IDLE_MS = 1000
"""After this long without a record, none waits that was appended before."""


class FeaturesStage:
    """Runs the fold of ``gnomon.features`` as a stage.

    Args:
        settings: Settings of the worker.
        metrics: Where to count.
        now_ms: The clock, epoch milliseconds.
    """

    name = "features"
    inputs = (TASK_EVENTS.name,)
    outputs = (TASK_FEATURES.name, AGENT_FEATURES.name)
    stateful = True
    linger_ms = 15
    nice = 0

    def __init__(self, settings: Settings, *, metrics: Metrics, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._config = FeaturesConfig.from_settings(settings)
        self._metrics = metrics

    async def start(self) -> None:
        """Warn if the fold is not compiled, which takes several times as long."""
        if not implementation.COMPILED:
            logger.warning("features.not_compiled", extra={"see": "docs/operations.md"})

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> FeaturesState:
        """Return a state that knows no agent."""
        return FeaturesState(partition=partition)

    async def apply(self, state: FeaturesState, records: Sequence[SourceRecord]) -> Outputs:
        """Fold the batch."""
        outputs = fold(state, records, config=self._config)
        partition, producers = str(state.partition), state.producers
        self._metrics.count_to("gnomon_records_repeated_total", producers.repeated, partition)
        self._metrics.set("gnomon_producers_known", len(producers), partition)
        return outputs

    def tick(self, state: FeaturesState, idle_ms: int) -> Outputs:
        """Let the features of silent agents decay, and report on clients: time passes without records."""
        newest_ms = max((agent.newest_ms for agent in state.agents.values()), default=0)
        # The state may be older than this process: time has passed since the broker had its last record.
        since_ms = self._now_ms() - state.appended_ms if idle_ms >= IDLE_MS else 0
        return tick(state, newest_ms + max(idle_ms, since_ms))

    def missed(self, state: FeaturesState, records: int) -> None:
        """Let the completeness of the features begin anew."""
        state.note_gap()

    def snapshot(self, state: FeaturesState) -> bytes:
        """Serialise all agents and producers."""
        return snapshot(state)

    def snapshot_steps(self, state: FeaturesState) -> Steps:
        """Serialise them in steps: 100,000 agents take more than a second."""
        return snapshot_steps(state)

    def restore(self, partition: int, data: bytes) -> FeaturesState:
        """Restore all agents and producers."""
        return restore(data, partition=partition)

    def status(self) -> Mapping[str, object]:
        """Return whether the fold is compiled or Python."""
        return {"memory": "compiled" if implementation.COMPILED else "python"}

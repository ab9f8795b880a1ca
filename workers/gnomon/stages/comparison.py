"""Stage 3, comparison: predictions beside outcomes; decisions, figures and the ledger out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gnomon.comparison import (
    ComparisonConfig,
    ComparisonState,
    fold,
    merge_ledgers,
    restore,
    snapshot,
)
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.topics import SHADOW_PREDICTIONS, TASK_EVENTS, TASK_FEATURES

LEDGER_STATES = (
    "predictions",
    "matched",
    "pending",
    "expired",
    "cancelled",
    "duplicate",
    "late",
    "orphan",
    "shed",
    "incomplete",
)


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A state and the settings it is folded with for its whole life."""

    config: ComparisonConfig
    state: ComparisonState


class ComparisonStage:
    """The fold of ``gnomon.comparison`` on the runtime."""

    name = "comparison"
    inputs = (TASK_EVENTS.name, TASK_FEATURES.name, SHADOW_PREDICTIONS.name)
    stateful = True
    linger_ms = 250  # nobody waits for a figure
    nice = 5

    def __init__(self, settings: Settings, *, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._states: dict[int, PartitionState] = {}

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> PartitionState:
        """Nothing is joined."""
        return self._own(self._config(partition), ComparisonState())

    async def apply(self, state: PartitionState, records: Sequence[SourceRecord]) -> Outputs:
        """Fold the batch."""
        outputs = fold(state.state, records, config=state.config)
        ledger = state.state.ledger
        if ledger is not None:
            partition = str(state.config.partition)
            for name in LEDGER_STATES:
                self._metrics.set("gnomon_ledger", getattr(ledger, name), partition, name)
        return outputs

    def tick(self, state: PartitionState, idle_ms: int) -> None:
        """Tasks expire by event time alone."""

    def snapshot(self, state: PartitionState) -> bytes:
        """Open tasks, figures and the ledger."""
        return snapshot(state.state)

    def restore(self, partition: int, data: bytes) -> PartitionState:
        """Open tasks, figures and the ledger."""
        config = self._config(partition)
        return self._own(config, restore(data, config=config))

    def status(self) -> Mapping[str, object]:
        """The ledger of the partitions here."""
        ledgers = [s.state.ledger for s in self._states.values() if s.state.ledger is not None]
        return {"ledger": merge_ledgers(ledgers)}

    def _config(self, partition: int) -> ComparisonConfig:
        return ComparisonConfig(
            partition=partition,
            topic_prefix=self._settings.topic_prefix,
            expire_after_ms=round(self._settings.expire_after_s * 1000),
            max_clock_ahead_ms=round(self._settings.max_clock_ahead_s * 1000),
        )

    def _own(self, config: ComparisonConfig, state: ComparisonState) -> PartitionState:
        owned = self._states[config.partition] = PartitionState(config, state)
        return owned

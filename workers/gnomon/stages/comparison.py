"""Stage 3, comparison: joins predictions with outcomes; writes decisions, metrics and the ledger."""

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
from gnomon.topics import INTERVAL_CORRECTIONS, SHADOW_PREDICTIONS, TASK_EVENTS, TASK_FEATURES

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
    """A state and the settings with which it is folded for its whole life."""

    config: ComparisonConfig
    state: ComparisonState


class ComparisonStage:
    """Runs the fold of ``gnomon.comparison`` as a stage."""

    name = "comparison"
    inputs = (TASK_EVENTS.name, TASK_FEATURES.name, SHADOW_PREDICTIONS.name)
    stateful = True
    linger_ms = 250  # no user waits for a metric
    nice = 5

    def __init__(self, settings: Settings, *, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._states: dict[int, PartitionState] = {}
        self._corrections = 0

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> PartitionState:
        """Return a state with no open task."""
        return self._register(self._config(partition), ComparisonState())

    async def apply(self, state: PartitionState, records: Sequence[SourceRecord]) -> Outputs:
        """Fold the batch."""
        outputs = fold(state.state, records, config=state.config)
        self._corrections += len(outputs.by_topic.get(INTERVAL_CORRECTIONS.name, ()))
        ledger = state.state.ledger
        if ledger is not None:
            partition = str(state.config.partition)
            for name in LEDGER_STATES:
                self._metrics.set("gnomon_ledger", getattr(ledger, name), partition, name)
        return outputs

    def tick(self, state: PartitionState, idle_ms: int) -> None:
        """Do nothing: tasks expire by event time alone."""

    def snapshot(self, state: PartitionState) -> bytes:
        """Serialise open tasks, metrics and the ledger."""
        return snapshot(state.state)

    def restore(self, partition: int, data: bytes) -> PartitionState:
        """Restore open tasks, metrics and the ledger."""
        config = self._config(partition)
        return self._register(config, restore(data, config=config))

    def status(self) -> Mapping[str, object]:
        """Return the ledger of the partitions here, and how many corrections were given out."""
        ledgers = [s.state.ledger for s in self._states.values() if s.state.ledger is not None]
        return {"ledger": merge_ledgers(ledgers), "corrections_written": self._corrections}

    def _config(self, partition: int) -> ComparisonConfig:
        return ComparisonConfig(
            partition=partition,
            topic_prefix=self._settings.topic_prefix,
            expire_after_ms=round(self._settings.expire_after_s * 1000),
            max_clock_ahead_ms=round(self._settings.max_clock_ahead_s * 1000),
        )

    def _register(self, config: ComparisonConfig, state: ComparisonState) -> PartitionState:
        registered = self._states[config.partition] = PartitionState(config, state)
        return registered

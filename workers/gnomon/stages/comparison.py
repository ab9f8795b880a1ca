"""Stage 3, comparison: joins predictions with outcomes; writes decisions, metrics and the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.comparison import (
    ComparisonConfig,
    ComparisonState,
    fold,
    merge_ledgers,
    restore,
    snapshot,
    snapshot_steps,
    tick,
)
from gnomon.errors import ConfigurationError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.live_verdicts import LiveVerdicts
from gnomon.steps import Steps
from gnomon.topics import (
    COMPARISON_METRICS,
    COMPARISONS,
    INTERVAL_CORRECTIONS,
    SHADOW_PREDICTIONS,
    TASK_EVENTS,
    TASK_FEATURES,
    VERDICT_EVIDENCE,
)
from gnomon.verdict import LIVE_SETTINGS, LiveEvidence, VerdictSettings, read_settings

LEDGER_COUNTS = (
    "predictions",
    "matched",
    "expired",
    "cancelled",
    "duplicate",
    "late",
    "orphan",
    "shed",
    "incomplete",
    "unread",
)

WHOLE_EVERY = 5
"""The metrics of agents and the evidence, which are many, are published with every fifth tick."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A state and the settings with which it is folded for its whole life."""

    config: ComparisonConfig
    state: ComparisonState


class ComparisonStage:
    """Runs the fold of ``gnomon.comparison`` as a stage.

    Args:
        settings: Settings of the worker.
        metrics: Where to count.
        verdicts: The verdicts over all partitions, which are written with the metrics.

    Raises:
        ConfigurationError: The settings of the verdict cannot be used.
    """

    name = "comparison"
    inputs = (TASK_EVENTS.name, TASK_FEATURES.name, SHADOW_PREDICTIONS.name)
    outputs = (
        COMPARISONS.name,
        COMPARISON_METRICS.name,
        INTERVAL_CORRECTIONS.name,
        VERDICT_EVIDENCE.name,
    )
    stateful = True
    linger_ms = 500  # no user waits for a metric
    tick_every_s = 1.0

    def __init__(
        self, settings: Settings, *, metrics: Metrics, verdicts: LiveVerdicts | None = None
    ) -> None:
        self._settings, self._metrics = settings, metrics
        self.nice = settings.nice
        self._states: dict[int, PartitionState] = {}
        self._ticks: dict[int, int] = {}
        self._corrections = 0
        self._verdicts = verdicts
        self._verdict = _verdict_settings(settings.verdict_settings)

    async def start(self) -> None:
        """Begin to follow the evidence of all partitions."""
        if self._verdicts is not None:
            await self._verdicts.start()

    async def stop(self) -> None:
        """Stop following it."""
        if self._verdicts is not None:
            await self._verdicts.stop()

    def new_state(self, partition: int) -> PartitionState:
        """Return a state with no open task."""
        config = self._config(partition)
        return self._register(config, ComparisonState(config.verdict))

    async def apply(self, state: PartitionState, records: Sequence[SourceRecord]) -> Outputs:
        """Fold the batch."""
        outputs = fold(state.state, records, config=state.config)
        self._corrections += len(outputs.by_topic.get(INTERVAL_CORRECTIONS.name, ()))
        self._show_ledger(state)
        return outputs

    def tick(self, state: PartitionState, idle_ms: int) -> Outputs | None:
        """Publish the metrics and the evidence that changed; tasks expire by event time alone."""
        partition = state.config.partition
        self._ticks[partition] = ticks = self._ticks.get(partition, 0) + 1
        if self._verdicts is not None:
            state.state.words = self._verdicts.words
        outputs = tick(state.state, config=state.config, whole=ticks % WHOLE_EVERY == 0)
        self._corrections += len(outputs.by_topic.get(INTERVAL_CORRECTIONS.name, ()))
        self._show_ledger(state)
        return outputs if outputs.by_topic else None

    def missed(self, state: PartitionState, records: int) -> None:
        """Let the ledger state how many records were never read."""
        state.state.unread += records

    def snapshot(self, state: PartitionState) -> bytes:
        """Serialise open tasks, metrics and the ledger."""
        return snapshot(state.state)

    def snapshot_steps(self, state: PartitionState) -> Steps:
        """Serialise them in steps."""
        return snapshot_steps(state.state)

    def restore(self, partition: int, data: bytes) -> PartitionState:
        """Restore open tasks, metrics and the ledger."""
        config = self._config(partition)
        return self._register(config, restore(data, config=config))

    def give_up(self, partition: int) -> None:
        """Forget the state of a partition, which would count in the status and take memory."""
        self._states.pop(partition, None)
        self._ticks.pop(partition, None)

    def status(self) -> Mapping[str, object]:
        """Return the ledger of the partitions here, the verdicts, and how much was written or is to be.

        ``unwritten`` counts the metrics and the evidence that the next tick writes.
        """
        ledgers = [s.state.ledger for s in self._states.values() if s.state.ledger is not None]
        words = {} if self._verdicts is None else self._verdicts.words
        return {
            "ledger": merge_ledgers(ledgers),
            "corrections_written": self._corrections,
            "corrections_unwritten": sum(
                len(each.state.calibration.unwritten) for each in self._states.values()
            ),
            "unwritten": sum(_unwritten(each.state) for each in self._states.values()),
            "verdicts": {f"{name}@{version}": word for (name, version), (word, _) in words.items()},
        }

    def degraded(self) -> Sequence[str]:
        """Return why the verdicts are not up to date, a sentence each."""
        return () if self._verdicts is None else self._verdicts.degraded()

    def _config(self, partition: int) -> ComparisonConfig:
        return ComparisonConfig(
            partition=partition,
            topic_prefix=self._settings.topic_prefix,
            expire_after_ms=round(self._settings.expire_after_s * 1000),
            max_clock_ahead_ms=round(self._settings.max_clock_ahead_s * 1000),
            verdict=self._verdict,
        )

    def _show_ledger(self, state: PartitionState) -> None:
        ledger = state.state.ledger
        if ledger is not None:
            partition = str(state.config.partition)
            for name in LEDGER_COUNTS:
                total = getattr(ledger, name)
                self._metrics.count_to("gnomon_ledger_tasks_total", total, partition, name)
            self._metrics.set("gnomon_ledger_pending_tasks", ledger.pending, partition)

    def _register(self, config: ComparisonConfig, state: ComparisonState) -> PartitionState:
        registered = self._states[config.partition] = PartitionState(config, state)
        return registered


def _unwritten(state: ComparisonState) -> int:
    return state.metrics.waiting + state.evidence.unwritten


def _verdict_settings(path: str) -> VerdictSettings:
    if not path:
        return LIVE_SETTINGS
    try:
        settings = read_settings(Path(path).read_bytes())
        LiveEvidence(settings)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return settings

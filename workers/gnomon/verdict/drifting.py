"""Watches every model of a log for drift: decisions must be added in the order of their predictions."""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from gnomon.drift import FEATURES, Monitor
from gnomon.verdict.evidence.decided import Decided
from gnomon.verdict.evidence.evidence import by_key
from gnomon.verdict.result import ModelVerdict
from gnomon.verdict.settings import VerdictSettings

MOST_TRAINING_ROWS: Final = 2_000
"""Number of decisions before a model's first prediction that its features are compared with."""


class DriftLog:
    """Makes a monitor for each model when it first predicts.

    A model can only have been trained on decisions that had ended before its first prediction. The
    latest of these in the log stand for its training rows.

    Args:
        settings: Settings of the verdict: the predictions that count, and the judged baselines.

    Attributes:
        monitors: The monitors by SHA-256, or by name and version if there is none.
    """

    def __init__(self, settings: VerdictSettings) -> None:
        self.monitors: dict[str, Monitor] = {}
        self._settings = settings
        self._ended: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=MOST_TRAINING_ROWS)

    def add(self, decided: Decided) -> None:
        """Add one decision; those without features are no training rows."""
        if decided.started_at_ms >= self._settings.registered_at_ms:
            _, models = by_key(decided.predictions, self._settings.judged_baselines)
            for key, prediction in models.items():
                self._watch(decided, self._monitor(key, decided), prediction.duration_s)
        if decided.status == "matched" and decided.features:
            self._ended.append((decided.ended_at_ms, decided.features))

    def _monitor(self, key: str, decided: Decided) -> Monitor:
        if key not in self.monitors:
            rows = [row for ended_ms, row in self._ended if ended_ms <= decided.started_at_ms]
            self.monitors[key] = Monitor.trained_on(FEATURES, rows)
        return self.monitors[key]

    @staticmethod
    def _watch(decided: Decided, monitor: Monitor, predicted_s: float | None) -> None:
        if decided.features:
            monitor.add_features(dict(zip(FEATURES, decided.features, strict=True)))
        if predicted_s is not None and decided.duration_s is not None:
            monitor.add_outcome(predicted_s, decided.duration_s, at_ms=decided.started_at_ms)


def with_drift(models: Iterable[ModelVerdict], log: DriftLog) -> list[ModelVerdict]:
    """Return the verdicts with their drift; only if a model surely harms is it an alarm."""
    found = []
    for model in models:
        monitor = log.monitors.get(model.key)
        is_harmful = model.word == "STOP-HARM" or bool(model.harm or model.harmed_types)
        drift = None if monitor is None else monitor.drift(is_harmful=is_harmful)
        found.append(msgspec.structs.replace(model, drift=drift))
    return found

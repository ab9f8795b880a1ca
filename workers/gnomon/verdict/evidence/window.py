"""Measures constants in the training window: where seconds are clipped, and when a task is mature."""

import math
from bisect import insort
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from gnomon.verdict.evidence.decided import Decided
from gnomon.verdict.settings import BASELINES, VerdictSettings

LEAST_CLIP_US: Final = 1_000
"""Smallest clip, one millisecond, for a baseline with hardly any error."""
MOST_CLIP_US: Final = 10**12
"""11.6 days: the clip while the training window is empty."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The constants that are measured in a training window.

    Attributes:
        clip_us: For each baseline, the absolute error at which seconds are clipped, in microseconds.
        mature_after_ms: Age in milliseconds from which a task counts.
    """

    clip_us: dict[str, int]
    mature_after_ms: int


class WindowBuilder:
    """Finds the decisions with the earliest predictions, in whatever order they are added.

    It holds at most ``settings.window_decisions`` numbers for each baseline. A decision must be
    added once.
    """

    def __init__(self, settings: VerdictSettings) -> None:
        self._settings = settings
        self._errors: dict[str, _Earliest] = {
            name: _Earliest(settings.window_decisions) for name in BASELINES
        }
        self._durations = _Earliest(settings.window_decisions)

    def add(self, decided: Decided) -> Self:
        """Add a decision; one without a duration is ignored."""
        actual_s = decided.duration_s
        if decided.status != "matched" or actual_s is None:
            return self
        if decided.started_at_ms < self._settings.registered_at_ms:
            return self
        self._durations.add(decided, actual_s)
        for prediction in decided.predictions:
            if prediction.model in self._errors and prediction.duration_s is not None:
                self._errors[prediction.model].add(decided, abs(prediction.duration_s - actual_s))
        return self

    def build(self) -> Window:
        """Return the constants; those that the settings fix are taken from the settings."""
        fixed = self._settings
        clips_s = {
            name: found.quantile(fixed.clip_quantile) for name, found in self._errors.items()
        }
        mature_s = fixed.mature_after_s
        if mature_s is None:
            mature_s = self._durations.quantile(fixed.mature_quantile) or 0.0
        return Window(
            clip_us={
                name: _clip_us(fixed.clip_s.get(name, measured_s))
                for name, measured_s in clips_s.items()
            },
            mature_after_ms=math.ceil(min(mature_s, MOST_CLIP_US / 1e6) * 1000),
        )


class _Earliest:
    """Keeps the values of the earliest decisions, at most ``most`` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: list[tuple[int, str, float]] = []

    def add(self, decided: Decided, value: float) -> None:
        entry = (decided.started_at_ms, decided.decision_id, value)
        if len(self._entries) == self._most:
            if entry >= self._entries[-1]:
                return
            self._entries.pop()
        insort(self._entries, entry)

    def quantile(self, share: float) -> float | None:
        """Return the smallest value that ``share`` of them do not exceed; ``None`` if there are none."""
        return _quantile([value for *_, value in self._entries], share)


def _quantile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _clip_us(clip_s: float | None) -> int:
    if clip_s is None or not clip_s < MOST_CLIP_US / 1e6:
        return MOST_CLIP_US
    return max(LEAST_CLIP_US, round(clip_s * 1e6))

"""Settings of the features fold, and the time spans that are part of the contract."""

from dataclasses import dataclass
from typing import Final, Self

from gnomon.settings import Settings

HOUR_MS: Final = 3_600_000
"""Length of the rolling window."""
FLIGHT_MS: Final = 86_400_000
"""A task that started longer ago than this is no longer counted as in flight."""
MEMORY_MS: Final = 30 * 86_400_000
"""An agent is forgotten when none of its events was read for this long, by append time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesConfig:
    """How much disorder of event times the fold allows.

    Attributes:
        max_lateness_ms: How far behind its agent's newest event time a finish may be and still
            be counted in the window.
        max_clock_ahead_ms: How far an event time may be ahead of the broker's append time.
    """

    max_lateness_ms: int = 600_000
    max_clock_ahead_ms: int = 600_000

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read both spans from the settings of the process."""
        return cls(
            max_lateness_ms=round(settings.max_lateness_s * 1000),
            max_clock_ahead_ms=round(settings.max_clock_ahead_s * 1000),
        )

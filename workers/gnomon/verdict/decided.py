"""What a verdict needs to know of one decision, and nothing more."""

from typing import Final, Literal, Self

import msgspec

from gnomon.events import Comparison

HOUR_MS: Final = 3_600_000


class Said(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One prediction: ``None`` where nothing was said."""

    model: str
    version: str
    sha256: str | None
    duration_s: float | None
    success_probability: float | None


class Decided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision with its outcome. ``duration_s`` and ``succeeded`` only where it matched."""

    decision_id: str
    started_at_ms: int
    agent_id: str
    status: Literal["matched", "expired", "cancelled"]
    ended_at_ms: int
    duration_s: float | None
    succeeded: bool | None
    predictions: tuple[Said, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """The part of ``comparison`` that is judged."""
        outcome = comparison.outcome
        return cls(
            comparison.decision_id,
            comparison.started_at_ms,
            comparison.agent_id,
            outcome.status,
            outcome.at_ms,
            outcome.duration_s,
            outcome.succeeded,
            tuple(
                Said(p.model, p.version, p.sha256, p.duration_s, p.success_probability)
                for p in comparison.predictions
            ),
        )

    @property
    def hour(self) -> int:
        """The hour in which it was predicted, counted from 1970."""
        return self.started_at_ms // HOUR_MS

    @property
    def newest_ms(self) -> int:
        """The latest time it tells of (epoch milliseconds)."""
        return max(self.started_at_ms, self.ended_at_ms)

    @property
    def age_s(self) -> float:
        """From its prediction to its end, or to when it was given up."""
        return max(0, self.ended_at_ms - self.started_at_ms) / 1000

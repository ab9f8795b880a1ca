"""Extracts from a comparison the fields that a verdict needs."""

from typing import Final, Literal, Self

import msgspec

from gnomon.drift import feature_row
from gnomon.events import Comparison, ModelPrediction
from gnomon.verdict.settings import BASELINES

HOUR_MS: Final = 3_600_000


class JudgedPrediction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One prediction; a quantity that was not predicted is ``None``.

    ``intervals`` has the low and the high end of the duration in seconds by level (``"80"``). It is
    for the report and is empty in a decision that is only judged.
    """

    model: str
    version: str
    sha256: str | None
    duration_s: float | None
    success_probability: float | None
    intervals: dict[str, tuple[float, float]] = {}


class Decided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision with its outcome. ``duration_s`` and ``succeeded`` are known only if it matched.

    ``task_type`` and ``features`` (in the order of ``drift.FEATURES``) are for the report and are
    empty in a decision that is only judged.
    """

    decision_id: str
    started_at_ms: int
    agent_id: str
    status: Literal["matched", "expired", "cancelled"]
    ended_at_ms: int
    duration_s: float | None
    succeeded: bool | None
    predictions: tuple[JudgedPrediction, ...]
    task_type: str = ""
    features: tuple[float, ...] = ()

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """Extract the part of ``comparison`` that is judged."""
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
                JudgedPrediction(p.model, p.version, p.sha256, p.duration_s, p.success_probability)
                for p in comparison.predictions
            ),
        )

    @classmethod
    def with_report(cls, comparison: Comparison) -> Self:
        """Extract the part of ``comparison`` that is judged, and the part that the report needs."""
        judged = cls.of(comparison)
        pairs = zip(judged.predictions, comparison.predictions, strict=True)
        return msgspec.structs.replace(
            judged,
            task_type=comparison.task_type,
            features=feature_row(comparison),
            predictions=tuple(
                msgspec.structs.replace(kept, intervals=_intervals(whole)) for kept, whole in pairs
            ),
        )

    @property
    def hour(self) -> int:
        """Return the hour of the prediction, counted from 1970."""
        return self.started_at_ms // HOUR_MS

    @property
    def newest_ms(self) -> int:
        """Return the latest time in the decision (epoch milliseconds)."""
        return max(self.started_at_ms, self.ended_at_ms)

    @property
    def age_s(self) -> float:
        """Return the seconds from the prediction to the end or the expiry."""
        return max(0, self.ended_at_ms - self.started_at_ms) / 1000


NEWEST: Final = "newest"


def with_newest_only(decided: Decided) -> Decided:
    """Return the decision with one prediction for each model name: that of its greatest version.

    The prediction gets the version ``newest`` and no SHA-256, so that the verdict judges the
    process of training again and not one version.
    """
    newest: dict[str, JudgedPrediction] = {}
    kept = []
    for prediction in decided.predictions:
        if prediction.model in BASELINES:
            kept.append(prediction)
        elif prediction.model not in newest or version_order(
            newest[prediction.model].version
        ) < version_order(prediction.version):
            newest[prediction.model] = prediction
    kept += [
        msgspec.structs.replace(prediction, version=NEWEST, sha256=None)
        for prediction in newest.values()
    ]
    return msgspec.structs.replace(decided, predictions=tuple(kept))


def _intervals(prediction: ModelPrediction) -> dict[str, tuple[float, float]]:
    if prediction.intervals is None:
        return {}
    return {
        level: (interval.low_s, interval.high_s)
        for level, interval in prediction.intervals.by_level.items()
    }


def version_order(version: str) -> tuple[int, str]:
    """Return a sort key: versions that are numbers come last, in numeric order."""
    return (int(version), "") if version.isascii() and version.isdecimal() else (-1, version)

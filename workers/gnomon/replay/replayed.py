"""Defines the records of ``gnomon replay --model``: past decisions as model versions predict them now.

They have a kind of their own and no topic. No stage reads them, and a verdict leaves them out: a
prediction that was made after its outcome was known is no evidence.
"""

from typing import Final

import msgspec

from gnomon.events import EpochMs, Intervals, Outcome, Parts, Seconds, Share

KIND: Final = "replayed_decision.v1"


class ReplayedPrediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The prediction of one version or baseline for a past decision.

    ``sha256`` is that of the model file. ``unseen`` tells whether the task started after the last run
    of the version's training data had ended; ``None`` if the end of these is not known, and for
    baselines that need no model file. ``intervals`` are corrected by the unseen decisions that had
    ended before.
    """

    model: str
    version: str
    sha256: str | None
    unseen: bool | None
    duration_s: Seconds | None
    success_probability: Share | None
    parts: Parts
    intervals: Intervals | None


class ReplayedDecision(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=KIND):
    """A past decision with predictions that were made now, and the recorded outcome."""

    decision_id: str
    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: EpochMs
    predictions: list[ReplayedPrediction]
    outcome: Outcome


class _Kind(msgspec.Struct):
    kind: str


_decode_kind = msgspec.json.Decoder(_Kind).decode


def is_replayed(line: bytes) -> bool:
    """Return whether ``line`` is a record of this module."""
    try:
        return _decode_kind(line).kind == KIND
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

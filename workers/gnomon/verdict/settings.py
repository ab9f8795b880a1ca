"""Defines the settings of a verdict, which are fixed and hashed before the first prediction counts."""

from hashlib import sha256
from typing import Annotated, Final

import msgspec

BASELINES: Final[tuple[str, ...]] = ("control", "same-type", "type")
"""Names under which simple rules predict; every other name is a model to be judged."""

OpenShare = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class VerdictSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All inputs of a verdict except the decisions and the drills.

    A changed value of any field gives another hash, and therefore another experiment.

    Attributes:
        delta: How much better than ``reference`` a model's log loss has to be; 0.2 is 20 %.
        alpha: Probability that a criterion ever passes wrongly, however often somebody looks. Each
            bound is one-sided.
        t_star: Number of agent-hour blocks at which the bounds are tightest.
        reference: The baseline that ``delta`` refers to.
        sure_against_every: Whether a model must surely be better than every baseline, in log loss,
            seconds and Brier score. If not, this is required for ``reference`` only; for the other
            baselines the estimates must be over 0 and none may surely be below 0.
        min_decisions: More than this many matured decisions are needed.
        min_active_hours: With fewer hours that have a decision, there are no bounds.
        min_blocks: With fewer agent-hour blocks, there are no bounds.
        accuracy: The share of tasks whose success must surely be on the predicted side.
        max_unresolved: Greatest share of predicted tasks that expired without an end.
        min_answered: Least share of tasks for which the model predicted a duration, among those for
            which a baseline did; and the same of probabilities of success.
        window_decisions: Number of first decisions of each baseline that form the training window.
        clip_quantile: The quantile of a baseline's absolute errors in the training window at which
            seconds are clipped, for it and for the model compared with it.
        clip_s: Clips by baseline, in seconds, that replace those of the window.
        mature_quantile: The quantile of the durations in the training window at which a task
            is mature.
        mature_after_s: Age in seconds that replaces that of the window; 0 counts every ended task.
        drills: Names of the drills that must have passed.
        drill_days: For how many days a passed drill counts.
        registered_at_ms: Predictions made before this do not count (epoch milliseconds).
        judged_baselines: Baselines that are judged as models too, against the others.
    """

    delta: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.2
    alpha: Annotated[float, msgspec.Meta(gt=0.0, lt=0.5)] = 0.05
    t_star: Positive = 300
    reference: str = "control"
    sure_against_every: bool = False
    min_decisions: Annotated[int, msgspec.Meta(ge=0)] = 1000
    min_active_hours: Annotated[int, msgspec.Meta(ge=3)] = 24
    min_blocks: Annotated[int, msgspec.Meta(ge=3)] = 30
    accuracy: OpenShare = 0.75
    max_unresolved: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.05
    min_answered: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.95
    window_decisions: Positive = 200
    clip_quantile: OpenShare = 0.99
    clip_s: dict[str, Annotated[float, msgspec.Meta(gt=0.0)]] = {}
    mature_quantile: OpenShare = 0.99
    mature_after_s: Annotated[float, msgspec.Meta(ge=0.0)] | None = None
    drills: tuple[str, ...] = ("isolation", "rollback", "alert")
    drill_days: Positive = 30
    registered_at_ms: Annotated[int, msgspec.Meta(ge=0)] = 0
    judged_baselines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what the limits of single fields cannot express.

        Raises:
            ValueError: ``reference``, a key of ``clip_s`` or a judged baseline is no baseline.
        """
        for name in (self.reference, *self.clip_s, *self.judged_baselines):
            if name not in BASELINES:
                raise ValueError(f"{name!r} is no baseline: expected {', '.join(BASELINES)}")

    def canonical(self) -> bytes:
        """Encode the settings as JSON with sorted keys and no spaces: equal settings give equal bytes."""
        # Decoding makes 30 and 30.0 the same number, so that both are written in the same way.
        read = msgspec.json.decode(msgspec.json.encode(self), type=VerdictSettings)
        return msgspec.json.encode(read, order="sorted")

    def sha256(self) -> str:
        """Return the SHA-256 of ``canonical()``, 64 hexadecimal digits."""
        return sha256(self.canonical()).hexdigest()


def read_settings(data: bytes) -> VerdictSettings:
    """Decode settings from JSON; a missing field has its default.

    Raises:
        ValueError: ``data`` is no JSON object, or a field is unknown or out of bounds.
    """
    try:
        return msgspec.json.decode(data, type=VerdictSettings)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error

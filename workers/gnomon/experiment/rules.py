"""Settings of the verdict on an experiment, fixed and hashed before the first task counts."""

from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec

from gnomon.experiment.analysis import EXPECTED_UNITS, LEAST_UNITS

Loss = Literal["duration", "failure"]
LOSSES: Final[tuple[Loss, ...]] = ("duration", "failure")


class ExperimentRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All inputs of the verdict on an experiment except the tasks and the exposures.

    Both losses are means by task: ``duration`` of ln(1 + seconds), ``failure`` of 1 for a task that
    failed or expired and 0 for one that succeeded.

    Attributes:
        primary: The loss that a variant must surely lower.
        needed: By how much; for ``duration`` 0.1 is 10 %, for ``failure`` 0.01 is one percentage point.
        margin: By how much the other loss may surely not rise, in its unit.
        alpha: Probability that one interval is ever wrong. Each variant has its own.
        expected_units: Number of units of control and one variant at which intervals are narrowest.
        min_units: Least number of units of each variant for an interval.
        mature_after_s: A task counts when its agent has a decision that is this much later than its
            start, so that short tasks are not favoured.
        registered_at_ms: Tasks that began before this do not count (epoch milliseconds).
    """

    primary: Loss = "duration"
    needed: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    margin: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.05
    alpha: Annotated[float, msgspec.Meta(gt=0.0, lt=0.5)] = 0.05
    expected_units: Annotated[int, msgspec.Meta(ge=2)] = EXPECTED_UNITS
    min_units: Annotated[int, msgspec.Meta(ge=LEAST_UNITS)] = LEAST_UNITS
    mature_after_s: Annotated[float, msgspec.Meta(ge=0.0)] = 3600.0
    registered_at_ms: Annotated[int, msgspec.Meta(ge=0)] = 0

    def sha256(self) -> str:
        """Return the SHA-256 of the rules as JSON with sorted keys, 64 hexadecimal digits."""
        read = msgspec.json.decode(msgspec.json.encode(self), type=ExperimentRules)
        return sha256(msgspec.json.encode(read, order="sorted")).hexdigest()

"""Defines an experiment: its variants, which units take part when, and whether it runs."""

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.events import EpochMs

PARTS: Final = 10_000
"""Weights and shares are whole parts per this many."""
HARM: Final = "STOP-HARM"
"""The verdict after which every unit gets control."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Weight = Annotated[int, msgspec.Meta(ge=1, le=PARTS)]
_FOR_EVER_MS: Final = 1 << 62


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a ramp: the share of units (parts per 10,000) and its duration. The last step stays."""

    share: Annotated[int, msgspec.Meta(ge=0, le=PARTS)]
    hold_s: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one experiment, which are also the form of its JSON file.

    Attributes:
        name: Name of the experiment.
        variants: Weight of each variant, in parts per 10,000 that sum to 10,000.
        control: The variant that changes nothing.
        salt: Determines, with the unit, the unit's variant; by default the name.
        state: With ``stopped``, every unit gets control.
        verdict: The latest result of the verdict; with ``STOP-HARM``, every unit gets control.
        started_at_ms: No unit takes part before this time, at which the ramp begins.
        ramp: Steps of rising shares; empty: every unit takes part.

    Raises:
        ValueError: The settings contradict one another.
    """

    name: Name
    variants: Annotated[dict[Name, Weight], msgspec.Meta(min_length=2, max_length=64)]
    control: Name = "control"
    salt: Annotated[str, msgspec.Meta(max_length=256)] = ""
    state: Literal["running", "stopped"] = "running"
    verdict: str = ""
    started_at_ms: EpochMs = 0
    ramp: Annotated[tuple[Step, ...], msgspec.Meta(max_length=100)] = ()

    def __post_init__(self) -> None:
        """Refuse settings under which a unit's variant would be undefined or not sticky."""
        if (total := sum(self.variants.values())) != PARTS:
            raise ValueError(f"the weights must sum to {PARTS}, got {total}")
        if self.control not in self.variants:
            raise ValueError(f"{self.control!r} must be one of the variants")
        if any(later.share < earlier.share for earlier, later in pairwise(self.ramp)):
            raise ValueError("the shares of a ramp must not fall")

    @property
    def sha256(self) -> str:
        """Return the hash of all fields that determine a unit's variant: 64 hexadecimal digits."""
        decisive = [self.name, self.salt or self.name, self.control, sorted(self.variants.items())]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def share_at(self, now_ms: int) -> tuple[int, int]:
        """Return the share of units (parts per 10,000) at ``now_ms``, and the time of its next change.

        The time is in epoch milliseconds; without a further change, it is far in the future.
        """
        if self.state == "stopped" or self.verdict == HARM:
            return 0, _FOR_EVER_MS
        if now_ms < self.started_at_ms:
            return 0, self.started_at_ms
        until_ms = float(self.started_at_ms)
        for step in self.ramp[:-1]:
            until_ms += step.hold_s * 1_000
            if now_ms < until_ms:
                return step.share, int(until_ms) + 1
        return (self.ramp[-1].share if self.ramp else PARTS), _FOR_EVER_MS


def parse(given: object) -> Experiment:
    """Return settings from JSON (bytes or text), from a mapping, or from an ``Experiment``.

    Raises:
        ConfigurationError: They cannot be used; the message says why.
    """
    try:
        if isinstance(given, Experiment):
            return given
        if isinstance(given, bytes | str):
            return msgspec.json.decode(given, type=Experiment)
        if isinstance(given, Mapping):
            return msgspec.convert(given, type=Experiment)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError) as error:
        raise ConfigurationError(f"experiment: {error}") from None
    raise ConfigurationError(f"experiment: expected JSON or a mapping, got {type(given).__name__}")


def experiment(**fields: Any) -> Experiment:
    """Return settings from keywords, with the same checks as for a file.

    Raises:
        ConfigurationError: They cannot be used; the message says why.
    """
    return parse(fields)

"""What an experiment is: its variants, who takes part in it when, and whether it goes on."""

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
"""The verdict that sends every unit to control."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Weight = Annotated[int, msgspec.Meta(ge=1, le=PARTS)]
_FOR_EVER_MS: Final = 1 << 62


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a ramp: this many of 10,000 units take part, for so long. The last stays."""

    share: Annotated[int, msgspec.Meta(ge=0, le=PARTS)]
    hold_s: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one experiment. The form of its configuration file too (JSON).

    Attributes:
        name: Of the experiment.
        variants: Weight of each variant, in parts per 10,000 that sum to 10,000.
        control: The variant that changes nothing.
        salt: Decides, with the unit, the unit's variant; the name by default.
        state: ``stopped`` sends every unit to control.
        verdict: The latest word of the verdict; ``STOP-HARM`` sends every unit to control.
        started_at_ms: Nobody takes part before; the ramp begins here.
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
        """Hash of all that decides a unit's variant: 64 hexadecimal digits."""
        decisive = [self.name, self.salt or self.name, self.control, sorted(self.variants.items())]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def share_at(self, now_ms: int) -> tuple[int, int]:
        """How many of 10,000 units take part at ``now_ms``, and when that changes next.

        The time of the change is in epoch milliseconds, far away where there is none.
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
    """Settings from JSON (bytes or text), from a mapping, or as they are.

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
    """Settings from keywords, checked as those of a file are.

    Raises:
        ConfigurationError: They cannot be used; the message says why.
    """
    return parse(fields)

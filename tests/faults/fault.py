"""One planned fault."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned fault. ``chance``, in [0, 1), determines its random details."""

    kind: str
    stage: str
    at_s: float
    chance: float

    def between(self, least: float, most: float) -> float:
        """Return a number in that range, determined by ``chance``."""
        return least + self.chance * (most - least)

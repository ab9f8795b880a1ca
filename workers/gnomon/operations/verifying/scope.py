"""What of a store is verified."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is verified.

    Attributes:
        partition: Only this one.
        since: First hour, in hours since 1970.
        until: The hour after the last.
    """

    partition: int | None = None
    since: int | None = None
    until: int | None = None

    def has(self, hour: int) -> bool:
        """Return whether the hour is verified."""
        after = self.since is None or hour >= self.since
        return after and (self.until is None or hour < self.until)

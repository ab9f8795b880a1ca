"""What a partition is doing, and how long ago it last advanced: the facts behind a stall."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Step = Literal[
    "new", "recovering", "idle", "applying", "committing", "snapshotting", "fenced", "failed"
]


@dataclass(frozen=True, slots=True)
class Stall:
    """Work that does not advance.

    Attributes:
        stage: Which stage.
        partition: Which input partition; ``None`` before the group has given any.
        step: What was begun and not finished. ``fetch``: records wait at the broker, or it does
            not say whether any do. ``joining``: the group has not answered.
        for_s: Seconds without an advance.
        lag: Records that wait, if known.
    """

    stage: str
    partition: int | None
    step: str
    for_s: float
    lag: int | None

    def as_dict(self) -> Mapping[str, object]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        where = self.stage if self.partition is None else f"{self.stage}[{self.partition}]"
        return f"{where}: {self.step} for {self.for_s:.0f} s"


class Progress:
    """Progress of one partition, on one monotonic clock.

    Having nothing to do counts as an advance, but only while the broker confirms it: a broker
    that no longer answers looks like a stalled fetch, which it is.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.step: Step = "new"
        self.lag: int | None = None
        self._clock_s = clock_s
        self._advanced_at_s = clock_s()

    def enter(self, step: Step) -> None:
        """Begin ``step``."""
        self.step = step

    def advanced(self) -> None:
        """Something was finished that will not be done again."""
        self._advanced_at_s = self._clock_s()

    def observe_lag(self, records: int) -> None:
        """The broker has said how many records wait."""
        self.lag = records
        if records == 0 and self.step == "idle":
            self.advanced()

    @property
    def since_advance_s(self) -> float:
        """Seconds since the last advance."""
        return self._clock_s() - self._advanced_at_s

    def stall(self, stage: str, partition: int) -> Stall:
        """What to tell of it."""
        step = "fetch" if self.step == "idle" else self.step
        return Stall(stage, partition, step, round(self.since_advance_s, 1), self.lag)

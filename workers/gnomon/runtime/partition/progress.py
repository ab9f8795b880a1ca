"""The current step of a partition, and the time since it last made progress: what makes a stall."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Step = Literal[
    "new", "recovering", "idle", "applying", "committing", "snapshotting", "fenced", "failed"
]


@dataclass(frozen=True, slots=True)
class Stall:
    """Work that makes no progress.

    Attributes:
        stage: Which stage.
        partition: Which input partition; ``None`` before the group has assigned any.
        step: The step that has not ended. ``fetch``: records wait at the broker, or the broker does
            not answer whether any do. ``joining``: the consumer group has not answered.
        for_s: Seconds without progress.
        lag: Records that wait, if known.
    """

    stage: str
    partition: int | None
    step: str
    for_s: float
    lag: int | None

    def as_dict(self) -> Mapping[str, object]:
        """Return a mapping for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        where = self.stage if self.partition is None else f"{self.stage}[{self.partition}]"
        return f"{where}: {self.step} for {self.for_s:.0f} s"


class Progress:
    """Progress of one partition, on one monotonic clock.

    An idle partition makes progress as long as the broker confirms that no record waits. When the
    broker stops answering, that is a stalled fetch.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.step: Step = "new"
        self.lag: int | None = None
        self._clock_s = clock_s
        self._advanced_at_s = clock_s()

    def enter(self, step: Step) -> None:
        """Enter ``step``."""
        self.step = step

    def advanced(self) -> None:
        """Note that something was finished that will not be repeated."""
        self._advanced_at_s = self._clock_s()

    def observe_lag(self, records: int) -> None:
        """Note how many records wait, by the broker's answer."""
        self.lag = records
        if records == 0 and self.step == "idle":
            self.advanced()

    @property
    def since_advance_s(self) -> float:
        """Seconds since the last progress."""
        return self._clock_s() - self._advanced_at_s

    def stall(self, stage: str, partition: int) -> Stall:
        """Describe the current step as a stall."""
        step = "fetch" if self.step == "idle" else self.step
        return Stall(stage, partition, step, round(self.since_advance_s, 1), self.lag)

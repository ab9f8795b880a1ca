"""Exposures of experiments, published over a client's connection."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gnomon import codec
from gnomon.client.capture.intake import Intake
from gnomon.client.process.background import wait_until
from gnomon.client.records import Record
from gnomon.client.stats import Stats
from gnomon.events import Exposure

NS_PER_MS: Final = 1_000_000
_SIZE: Final = 500
"""What an exposure takes beside its unit, in bytes of JSON: names have at most 128 characters."""


class Stamp(NamedTuple):
    """What all exposures of an experiment have in common for a while.

    Attributes:
        experiment: Name of the experiment.
        ramp_share: Share of all units that take part.
        sha256: Hash of what decides a unit's variant.
    """

    experiment: str
    ramp_share: float
    sha256: str


class Exposures:
    """Publishes exposures as a client publishes tasks: its methods never raise and never block.

    It has the client's background thread and connection, and a buffer of its own: exposures that
    the broker does not take, as where the topic is missing, hold up no task.

    Args:
        intake: The buffer, and what empties it onto the topic ``exposures``.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def offer(self, unit: str, variant: str, at_ns: int, stamp: Stamp) -> bool:
        """Publish that ``unit`` met ``variant``; return whether there is room for it.

        Nothing is checked or encoded in this call. What turns out to be no ``Exposure`` is counted
        as failed.

        Args:
            unit: Key of the record.
            variant: Name of the variant.
            at_ns: When it met it, in nanoseconds since 1970.
            stamp: What else is told.
        """
        size = _SIZE + len(unit)
        return self._intake.buffer.offer_later((size, _record, unit, variant, at_ns, stamp))

    def stats(self) -> Stats:
        """What became of every exposure so far."""
        return self._intake.stats()

    def flush(self, timeout_s: float = 2.0) -> int:
        """Wait for the buffer to empty, at most ``timeout_s``; return how many still wait."""
        intake = self._intake
        intake.expedite()
        wait_until(lambda: not intake.waiting(), timeout_s=timeout_s)
        return intake.waiting()

    def close(self, timeout_s: float | None = None) -> int:
        """Deliver for at most ``timeout_s`` (``exit_timeout_s`` of the client by default), then end.

        Returns:
            Accepted exposures that never arrived.
        """
        budget_s = self._intake.begin_close()
        return self._intake.end_close(budget_s if timeout_s is None else timeout_s)


def _record(
    later: tuple[int, Callable[[Any], Record], str, str, int, Stamp],
) -> Record:
    """The record of an exposure, made in the thread that delivers."""
    _, _, unit, variant, at_ns, stamp = later
    exposure = Exposure(
        experiment=stamp.experiment,
        unit=unit,
        variant=variant,
        exposed_at_ms=at_ns // NS_PER_MS,
        ramp_share=stamp.ramp_share,
        settings_sha256=stamp.sha256,
    )
    return Record(unit.encode(), codec.encode(exposure))

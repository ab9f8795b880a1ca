"""Assigns a variant to each unit of an experiment with ``Router``, whose methods never raise."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, Self

import msgspec

from gnomon.client.exposures import Stamp
from gnomon.experiment.current import Current
from gnomon.experiment.seen import MOST_UNITS, Seen
from gnomon.experiment.settings import HARM
from gnomon.experiment.source import Source

REFRESH_S: Final = 30.0
SHORTEST_REFRESH_S: Final = 0.01
LONGEST_UNIT: Final = 256


class Sink(Protocol):
    """Publishes exposures; ``gnomon.client.exposures.Exposures`` implements it."""

    def offer(self, unit: str, variant: str, at_ns: int, stamp: Stamp) -> bool:
        """Publish one exposure; return whether there is room for it."""
        ...

    def flush(self, timeout_s: float = ...) -> int:
        """Wait until all are delivered, at most ``timeout_s``; return the number that still wait."""
        ...


class HasExposures(Protocol):
    """The part of a client that a router needs."""

    def exposures(self) -> Sink:
        """Return an object that publishes exposures over the client's connection."""
        ...


class RouterStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The state of a router in one process.

    Attributes:
        state: ``running``; ``stopped``, by its settings or because of harm; or ``control``, if there
            are no usable settings.
        reason: The reason why it is not running.
        share: Parts per 10,000 of units that take part.
        exposed: Number of units exposed in this process, by variant.
        dropped: Exposures for which the client had no room; the unit's next call tries again.
        refused: Number of calls with an invalid unit; they returned control.
        fallbacks: Number of calls that returned control because there were no usable settings.
        failures: Number of times that the settings could not be read or used.
    """

    state: str
    reason: str
    share: int
    exposed: dict[str, int]
    dropped: int
    refused: int
    fallbacks: int
    failures: int


class Router:
    """Assigns sticky variants to the units of one experiment. Its methods never raise.

    A unit has the same variant in every process and for ever. In case of an error (missing or
    invalid settings, settings that would change units' variants, a unit that is no string, harm) the
    call returns control and is counted. The constructor reads the settings. If they have a
    ``source``, a daemon thread reads them again every ``refresh_s``. Only ``flush`` and ``refresh``
    wait.

    Args:
        name: Name of the experiment.
        variants: Weight of each variant in parts per 10,000. Not used with ``source``.
        client: Publishes exposures; ``None``: they are only counted.
        source: A JSON file with all settings (``Experiment``), or a function that returns them.
        control: The variant of units that do not take part, and of all units after an error.
        salt: As in ``Experiment``, like ``started_at_ms``. Not used with ``source``.
        ramp: Pairs of a share in parts per 10,000 and its hold time in seconds. Not with ``source``.
        started_at_ms: No unit takes part before this time.
        refresh_s: Seconds between two reads of ``source``. If nothing was read for three times as
            long, every unit gets control.
        most_units: Most exposed units that are remembered. One that was forgotten is published
            again.
        clock_ns: Clock in nanoseconds since 1970.
        clock_s: Monotonic clock in seconds.
    """

    def __init__(
        self,
        name: str,
        variants: Mapping[str, int] | None = None,
        *,
        client: HasExposures | None = None,
        source: Source | None = None,
        control: str = "control",
        salt: str = "",
        ramp: Iterable[tuple[int, float]] = (),
        started_at_ms: int = 0,
        refresh_s: float = REFRESH_S,
        most_units: int = MOST_UNITS,
        clock_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._clock_ns, self._clock_s = name, clock_ns, clock_s
        self._refused = self._fallbacks = self._dropped = 0
        self._exposed: dict[str, int] = {}
        self._seen = Seen()
        self._sink: Sink | None = None
        fields: dict[str, object] = {}
        try:
            self._seen = Seen(most_units)
            self._sink = None if client is None else client.exposures()
            refresh_s = max(SHORTEST_REFRESH_S, float(refresh_s))
            fields = {
                "name": name,
                "variants": dict(variants or {}),
                "control": control,
                "salt": salt,
                "ramp": [{"share": share, "hold_s": hold_s} for share, hold_s in ramp],
                "started_at_ms": started_at_ms,
            }
        except Exception:  # there are then no settings, so every unit gets control
            source, refresh_s = None, REFRESH_S
        self._current = Current(
            name,
            (lambda: fields) if source is None else source,
            control=control if type(control) is str else "control",
            refresh_s=None if source is None else refresh_s,
            clock_ns=clock_ns,
            clock_s=clock_s,
        )
        self._view = self._current.look()

    def assign(self, unit: str) -> str:
        """Return the variant of ``unit``, without publishing an exposure."""
        variant = self._variant(unit)
        return self._view.control if variant is None else variant

    def exposed(self, unit: str) -> str:
        """Return the variant of ``unit``, and publish the exposure, once in each process.

        A unit that does not take part (yet) gets control, and nothing is published: at every step
        of a ramp the exposed units have the weights of the variants.
        """
        variant = self._variant(unit)
        if variant is None:
            return self._view.control
        if unit not in self._seen:
            self._expose(unit, variant)
        return variant

    def context(self, unit: str) -> dict[str, str]:
        """Return fields for a task's ``context``, or none for a unit that does not take part.

        With them, the comparison contains the variant, as ``experiment.<name>``, and the unit, as
        ``experiment.<name>.unit``: the tasks of a unit are one observation.
        """
        variant = self._variant(unit)
        if variant is None:
            return {}
        field = f"experiment.{self._name}"
        return {field: variant, f"{field}.unit": unit}

    def heed(self, verdict: str) -> None:
        """Apply a verdict's result: after ``STOP-HARM``, every unit gets control, for good."""
        if verdict == HARM:
            self._current.harm()
            self._view = self._current.look()

    def refresh(self) -> None:
        """Read the settings now, as the thread does every ``refresh_s``."""
        self._current.refresh()
        self._view = self._current.look()

    def stats(self) -> RouterStats:
        """Return the state of the router in this process."""
        view = self._current.look()
        stopped = "stopped" if view.reason else "running"
        return RouterStats(
            state="control" if view.assignment is None else stopped,
            reason=view.reason,
            share=view.share,
            exposed=dict(self._exposed),
            dropped=self._dropped,
            refused=self._refused,
            fallbacks=self._fallbacks,
            failures=self._current.failures,
        )

    def flush(self, timeout_s: float = 2.0) -> int:
        """Wait until all exposures are delivered, at most ``timeout_s``; return the number that still wait."""
        return 0 if self._sink is None else self._sink.flush(timeout_s)

    def close(self) -> None:
        """Stop reading settings. Exposures are delivered until the process ends."""
        self._current.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self.close()

    def _variant(self, unit: str) -> str | None:
        """Return the variant of ``unit``; ``None`` if it does not take part and gets control."""
        try:
            view = self._view
            if self._clock_s() >= view.until_s:
                view = self._view = self._current.look()
            if type(unit) is not str or not 0 < len(unit) <= LONGEST_UNIT:
                self._refused += 1
                return None
            if view.assignment is None:
                self._fallbacks += 1
                return None
            return view.assignment.variant(unit, view.share)
        except Exception:  # for example a lone surrogate in the unit; the agent must go on
            self._refused += 1
            return None

    def _expose(self, unit: str, variant: str) -> None:
        """Publish the exposure of ``unit`` to ``variant``, and remember it if the client accepted it."""
        view, sink = self._view, self._sink
        if view.assignment is None:
            return  # another thread has just found that the settings are unusable
        if sink is None or sink.offer(unit, variant, self._clock_ns(), view.stamp):
            self._seen.add(unit)
            self._exposed[variant] = self._exposed.get(variant, 0) + 1
        else:
            self._dropped += 1

"""``Router``: gives each unit of an experiment its variant, and never fails for it."""

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
    """What publishes exposures: ``gnomon.client.exposures.Exposures``."""

    def offer(self, unit: str, variant: str, at_ns: int, stamp: Stamp) -> bool:
        """Publish one exposure; return whether there is room for it."""
        ...

    def flush(self, timeout_s: float = ...) -> int:
        """Wait until all are delivered, at most ``timeout_s``; return how many still wait."""
        ...


class HasExposures(Protocol):
    """What a router needs of a client."""

    def exposures(self) -> Sink:
        """What publishes exposures over the client's connection."""
        ...


class RouterStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a router of one process stands.

    Attributes:
        state: ``running``; ``stopped``, by its settings or for harm; or ``control``: there are no
            settings that can be used.
        reason: Why it is not running.
        share: Parts per 10,000 of units that take part.
        exposed: How many units were exposed in this process, by variant.
        dropped: Exposures for which the client had no room; the unit's next call tries again.
        refused: Calls with something that is no unit; they gave control.
        fallbacks: Calls that gave control for want of usable settings.
        failures: How often the settings could not be read, or not be used.
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
    """Sticky variants for the units of one experiment. Its methods never raise and never wait.

    A unit has the same variant in every process and for ever. Whatever goes wrong (settings that
    are missing, cannot be used or have changed who gets what, a unit that is no string, harm) gives
    control and is counted. The constructor reads the settings; where they have a ``source``, a
    daemon thread reads them again every ``refresh_s``.

    Args:
        name: Of the experiment.
        variants: Weight of each variant in parts per 10,000. Not used with ``source``.
        client: Publishes exposures; ``None``: they are only counted.
        source: A JSON file, or a function, that gives all settings (``Experiment``).
        control: The variant of units that do not take part, and of all if anything is wrong.
        salt: As in ``Experiment``, like ``started_at_ms``. Not used with ``source``.
        ramp: Pairs of a share in parts per 10,000 and its hold time in seconds. Not with ``source``.
        started_at_ms: Nobody takes part before.
        refresh_s: How often ``source`` is read. After three times as long without: control.
        most_units: Most exposed units that are remembered. One that was forgotten is published
            again.
        clock_ns: Nanoseconds since 1970.
        clock_s: Monotonic.
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
        except Exception:  # the agent's edge: there will be no settings, so every unit gets control
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
        """The variant of ``unit``, without publishing that the unit meets it."""
        variant = self._variant(unit)
        return self._view.control if variant is None else variant

    def exposed(self, unit: str) -> str:
        """The variant of ``unit``, which meets it now: published once by each process.

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
        """What a task's ``context`` should have: ``{"experiment.<name>": variant}``.

        The comparison then knows the variant. Empty for a unit that does not take part.
        """
        variant = self._variant(unit)
        return {} if variant is None else {f"experiment.{self._name}": variant}

    def heed(self, verdict: str) -> None:
        """Take note of a verdict's word: ``STOP-HARM`` sends every unit to control, for good."""
        if verdict == HARM:
            self._current.harm()
            self._view = self._current.look()

    def refresh(self) -> None:
        """Read the settings now, as the thread does every ``refresh_s``."""
        self._current.refresh()
        self._view = self._current.look()

    def stats(self) -> RouterStats:
        """How it stands, in this process."""
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
        """Wait until all exposures are delivered, at most ``timeout_s``; how many still wait."""
        return 0 if self._sink is None else self._sink.flush(timeout_s)

    def close(self) -> None:
        """Read no more settings. Exposures are delivered until the process ends."""
        self._current.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self.close()

    def _variant(self, unit: str) -> str | None:
        """The variant of ``unit``; ``None``: control, and it does not take part."""
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
        except Exception:  # the agent's edge: as of a lone surrogate in the unit
            self._refused += 1
            return None

    def _expose(self, unit: str, variant: str) -> None:
        """Publish that ``unit`` met ``variant``, and remember it once that is accepted."""
        view, sink = self._view, self._sink
        if view.assignment is None:
            return  # another thread has just found that the settings cannot be used any more
        if sink is None or sink.offer(unit, variant, self._clock_ns(), view.stamp):
            self._seen.add(unit)
            self._exposed[variant] = self._exposed.get(variant, 0) + 1
        else:
            self._dropped += 1

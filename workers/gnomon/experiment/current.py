"""Reads the settings of an experiment repeatedly; without usable ones, gives the reason for control."""

import weakref
from collections.abc import Callable
from typing import Final, NamedTuple

from gnomon.client.exposures import Stamp
from gnomon.client.process.log_limits import warn
from gnomon.errors import ConfigurationError
from gnomon.experiment.assignment import Assignment
from gnomon.experiment.settings import HARM, PARTS, Experiment
from gnomon.experiment.source import Repeater, Source, load

STALE_AFTER: Final = 3
"""Number of intervals after which settings that were not read again are too old to be used."""
LOOK_S: Final = 1.0
"""Longest time in seconds for which a view is used: a change of the settings takes effect after it."""
NS_PER_MS: Final = 1_000_000


class View(NamedTuple):
    """The settings that calls use until ``until_s`` on the monotonic clock.

    Attributes:
        until_s: Time at which a new view is needed.
        share: Parts per 10,000 of units that take part.
        assignment: Assigns variants; ``None`` if there are no usable settings.
        control: The variant of units that do not take part.
        stamp: The fields that all exposures of the experiment have in common.
        reason: Why there is no assignment, or why no unit takes part; empty while it runs.
    """

    until_s: float
    share: int
    assignment: Assignment | None
    control: str
    stamp: Stamp
    reason: str


class _Loaded(NamedTuple):
    """The result of the last read: settings and their assignment, or the reason why there are none."""

    at_s: float
    settings: Experiment | None
    assignment: Assignment | None
    reason: str


class Current:
    """Keeps the settings of one experiment. No method raises.

    Args:
        name: Name of the experiment.
        source: File or function from which the settings are read.
        control: The variant of all units until settings name another.
        refresh_s: Seconds between two reads by a daemon thread; ``None``: they are read only once.
        clock_ns: Clock in nanoseconds since 1970.
        clock_s: Monotonic clock in seconds.

    Attributes:
        failures: Number of times that the settings could not be read or used.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        control: str,
        refresh_s: float | None,
        clock_ns: Callable[[], int],
        clock_s: Callable[[], float],
    ) -> None:
        self.failures = 0
        self._name, self._source, self._refresh_s = name, source, refresh_s
        self._clock_ns, self._clock_s = clock_ns, clock_s
        self._repeater = None if refresh_s is None else Repeater(refresh_s)
        self._control, self._sha256 = control, ""
        self._harm = False
        self.refresh()

    def refresh(self) -> None:
        """Read the settings. If they cannot be used, there are none from then on."""
        try:
            self._loaded = self._load()
        except (
            Exception
        ) as error:  # the source is a file or a function of the agent and may raise anything
            self.failures += 1
            ours = isinstance(error, ConfigurationError)
            reason = str(error) if ours else f"experiment: {type(error).__name__}"
            warn("%s; every unit gets control", reason)
            self._loaded = _Loaded(self._clock_s(), None, None, reason)

    def harm(self) -> None:
        """Give every unit control from now on, whatever the settings are."""
        self._harm = True

    def close(self) -> None:
        """Stop the thread."""
        if self._repeater is not None:
            self._repeater.stop()

    def look(self) -> View:
        """Return the view that calls use for the next moment."""
        now_s, loaded = self._clock_s(), self._loaded
        reason = loaded.reason
        if self._repeater is not None and self._refresh_s is not None:
            self._keep_reading(self._repeater)
            if now_s - loaded.at_s > STALE_AFTER * self._refresh_s:
                reason = reason or "experiment: the settings are too old"
        settings = loaded.settings
        if settings is None or reason:
            return self._view(now_s + LOOK_S, 0, None, reason)
        now_ms = self._clock_ns() // NS_PER_MS
        share, changes_at_ms = settings.share_at(now_ms)
        until_s = now_s + min(LOOK_S, (changes_at_ms - now_ms) / 1_000)
        if self._harm or settings.verdict == HARM:
            share, reason = 0, "harm"
        elif settings.state == "stopped":
            reason = "stopped"
        return self._view(until_s, share, loaded.assignment, reason)

    def _view(self, until_s: float, share: int, assignment: Assignment | None, reason: str) -> View:
        stamp = Stamp(self._name, share / PARTS, self._sha256)
        return View(until_s, share, assignment, self._control, stamp, reason)

    def _keep_reading(self, repeater: Repeater) -> None:
        """Ensure that a thread of this process reads the settings."""
        this = weakref.ref(self)  # the thread must not keep this object alive

        def read() -> bool:
            current = this()
            if current is not None:
                current.refresh()
            return current is not None

        try:
            repeater.ensure(read)
        except RuntimeError:  # the interpreter is ending; the settings become too old
            return

    def _load(self) -> _Loaded:
        """Read the settings.

        Raises:
            ConfigurationError: They belong to another experiment, or would change units' variants.
            Exception: Any error of the source.
        """
        settings = load(self._source)
        if settings.name != self._name:
            raise ConfigurationError("experiment: the settings are those of another experiment")
        if self._sha256 and settings.sha256 != self._sha256:
            raise ConfigurationError(
                "experiment: variants, control and salt must stay as they are; with others it is "
                "another experiment, which needs another name"
            )
        self._control, self._sha256 = settings.control, settings.sha256
        return _Loaded(self._clock_s(), settings, Assignment(settings), "")

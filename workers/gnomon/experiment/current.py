"""The settings of an experiment as they are now: read again and again, or a reason for control."""

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
"""Settings that have not been read for so many intervals are not trusted any more."""
LOOK_S: Final = 1.0
"""A view is good for so long at most: it is how soon a change of the settings is felt."""
NS_PER_MS: Final = 1_000_000


class View(NamedTuple):
    """What calls work with until ``until_s``, on the monotonic clock.

    Attributes:
        until_s: When to look again.
        share: Parts per 10,000 of units that take part.
        assignment: ``None``: there are no settings that can be used.
        control: The variant of units that do not take part.
        stamp: What exposures say of the experiment.
        reason: Why there is no assignment, or why no unit takes part; empty while it runs.
    """

    until_s: float
    share: int
    assignment: Assignment | None
    control: str
    stamp: Stamp
    reason: str


class _Loaded(NamedTuple):
    """What was read last: settings with what follows from them, or why there are none."""

    at_s: float
    settings: Experiment | None
    assignment: Assignment | None
    reason: str


class Current:
    """The settings of one experiment. No method raises.

    Args:
        name: Of the experiment.
        source: Gives the settings.
        control: The variant of all units until settings name another.
        refresh_s: How often they are read, by a daemon thread; ``None``: once only.
        clock_ns: Nanoseconds since 1970.
        clock_s: Monotonic.

    Attributes:
        failures: How often the settings could not be read, or not be used.
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
        """Read the settings. Any that cannot be used mean that there are none."""
        try:
            self._loaded = self._load()
        except Exception as error:  # the agent's edge: a file, or a function of the agent's
            self.failures += 1
            ours = isinstance(error, ConfigurationError)
            reason = str(error) if ours else f"experiment: {type(error).__name__}"
            warn("%s; every unit gets control", reason)
            self._loaded = _Loaded(self._clock_s(), None, None, reason)

    def harm(self) -> None:
        """From now on no unit takes part, whatever the settings."""
        self._harm = True

    def close(self) -> None:
        """Have the thread end."""
        if self._repeater is not None:
            self._repeater.stop()

    def look(self) -> View:
        """What calls work with for the next moment."""
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
        """Have a thread of this process read the settings from now on."""
        this = weakref.ref(self)  # the thread must not keep alive what nobody else needs

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
        """The settings as they are now.

        Raises:
            ConfigurationError: They are another experiment's, or have changed who gets what.
            Exception: Whatever the source raises.
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

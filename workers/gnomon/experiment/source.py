"""Reads an experiment's settings from a file or a function."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gnomon.errors import ConfigurationError
from gnomon.experiment.settings import Experiment, parse

Source = str | os.PathLike[str] | Callable[[], object]
"""The path of a JSON file, or a function that returns what ``gnomon.experiment.settings.parse``
takes."""
_MOST_BYTES: Final = 1 << 20


def load(source: Source) -> Experiment:
    """Read the settings from ``source``.

    Raises:
        ConfigurationError: They cannot be used.
        OSError: The file cannot be read.
        Exception: Any error of the function.
    """
    if callable(source):
        return parse(source())
    with Path(source).open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(f"experiment: the file has more than {_MOST_BYTES} bytes")
    return parse(content)


class Repeater:
    """Calls a function at regular intervals, in a daemon thread of each process that requests it.

    Args:
        every_s: Seconds between two calls.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._started: dict[int, object] = {}

    def ensure(self, call: Callable[[], bool]) -> None:
        """Start a thread that calls ``call`` until it returns ``False`` or ``stop`` is called.

        If this process already has the thread, nothing happens. A forked child has none yet.

        Raises:
            RuntimeError: No thread can be started, for example at the end of the interpreter.
        """
        pid, mine = os.getpid(), object()
        if pid in self._started or self._started.setdefault(pid, mine) is not mine:
            return
        self._stop = threading.Event()  # after a fork, the parent's event may be in any state
        threading.Thread(
            target=self._run, args=(call, self._stop), name="gnomon-experiment", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop the calls."""
        self._stop.set()

    def _run(self, call: Callable[[], bool], stop: threading.Event) -> None:
        while not stop.wait(self._every_s) and call():
            pass

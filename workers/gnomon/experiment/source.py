"""Where an experiment's settings come from: a file or a function."""

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
    """The settings that ``source`` gives now.

    Raises:
        ConfigurationError: They cannot be used.
        OSError: The file cannot be read.
        Exception: Whatever the function raises.
    """
    if callable(source):
        return parse(source())
    with Path(source).open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(f"experiment: the file has more than {_MOST_BYTES} bytes")
    return parse(content)


class Repeater:
    """Calls a function every so often, in a daemon thread of each process that asks for it.

    Args:
        every_s: Seconds between two calls.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._started: dict[int, object] = {}

    def ensure(self, call: Callable[[], bool]) -> None:
        """Have ``call`` called from now on, until it returns ``False`` or ``stop``.

        Returns at once if that is so already in this process: a forked child has no thread yet.

        Raises:
            RuntimeError: No thread can be started, as at the end of the interpreter.
        """
        pid, mine = os.getpid(), object()
        if pid in self._started or self._started.setdefault(pid, mine) is not mine:
            return
        self._stop = threading.Event()  # a parent's may be in any state after a fork
        threading.Thread(
            target=self._run, args=(call, self._stop), name="gnomon-experiment", daemon=True
        ).start()

    def stop(self) -> None:
        """Have no more calls made."""
        self._stop.set()

    def _run(self, call: Callable[[], bool], stop: threading.Event) -> None:
        while not stop.wait(self._every_s) and call():
            pass

"""The files that dead processes left in a spool's folder, one process after another."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gnomon.client.spool.files import ProcessFiles
from gnomon.client.spool.folder import process_names

LOOK_EVERY_S: Final = 30.0
"""How often a living process looks for another one that has died."""


class DeadFiles:
    """Adopts the files of dead processes, the oldest first, one process at a time.

    Args:
        folder: The spool's folder.
        release: Called with files that are done with, to end them and keep their counts.
        note_error: Called with each error of the disk.
        clock_s: Monotonic clock in seconds.

    Attributes:
        current: The adopted files, if there are any.
    """

    def __init__(
        self,
        folder: Path,
        *,
        release: Callable[[ProcessFiles], None],
        note_error: Callable[[OSError], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current: ProcessFiles | None = None
        self._folder, self._clock_s = folder, clock_s
        self._release, self._note_error = release, note_error
        self._visited: set[str] = set()
        self._next_look_s = float("-inf")

    def look(self) -> None:
        """Adopt the files of a process that has died, if none are adopted and it is time to look."""
        if self.current is not None or self._clock_s() < self._next_look_s:
            return
        self._next_look_s = self._clock_s() + LOOK_EVERY_S
        try:
            names = process_names(self._folder)
            self._visited.intersection_update(names)
            for name in names:
                if name not in self._visited and self._adopt(name):
                    return
        except OSError as error:
            self._note_error(error)

    def _adopt(self, name: str) -> bool:
        """Adopt the files of ``name`` if it is dead and has left records; return whether it has."""
        try:
            found = ProcessFiles.adopt(self._folder, name)
        except OSError as error:
            self._note_error(error)
            self._visited.add(name)
            return False
        if found is None:
            return False
        self._visited.add(name)  # once only, even if its files cannot be deleted
        if found.pending:
            self.current = found
            return True
        self._release(found)
        return False

    def finish(self) -> None:
        """Release the adopted files, which are settled, and look for another dead process."""
        files, self.current = self.current, None
        if files is not None:
            self._release(files)
            self._next_look_s = float("-inf")
            self.look()

    def close(self) -> None:
        """Release the adopted files as they are, and forget which processes were visited."""
        self._visited.clear()
        self._next_look_s = float("-inf")
        files, self.current = self.current, None
        if files is not None:
            self._release(files)

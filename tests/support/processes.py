"""Processes of this machine, to see that none is left behind."""

import os
from pathlib import Path


def processes_that_mention(word: str) -> list[int]:
    """Ids of the running processes, other than this one, with ``word`` in their command line."""
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            command = (directory / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in command:  # empty for a zombie
            found.append(int(directory.name))
    return found

"""``gnomon`` as it is typed: a process of its own, with only the settings a test gives it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

GNOMON = (sys.executable, "-m", "gnomon")


def environ(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's variables, with none of gnomon's but ``settings``; workers take free ports."""
    others = {k: v for k, v in os.environ.items() if not k.startswith(("GNOMON_", "SENTRY_"))}
    return {**others, "GNOMON_LISTEN_PORT": "0", **settings}


def gnomon(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end; ``settings`` are its ``GNOMON_*`` variables."""
    return subprocess.run(  # noqa: S603  our own command
        [*GNOMON, *arguments],
        env=environ(settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def processes_of(place: Path) -> dict[int, str]:
    """Running processes with ``place`` in their command line or variables, by id."""
    word = str(place).encode()
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            command = (directory / "cmdline").read_bytes()
            variables = (directory / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if word in command or word in variables:  # both empty for a zombie
            found[int(directory.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found

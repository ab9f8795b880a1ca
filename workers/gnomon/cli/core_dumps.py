"""Keeps what a process has in memory, keys and opened decisions, out of core dumps."""

import contextlib
import resource
from typing import Final

_NONE: Final = 1
"""Byte. A limit of 0 keeps a kernel from writing a file, but not from giving the dump to a program, as
systemd does; Linux makes no dump of either kind if the limit is 1."""


def forbid_core_dumps() -> None:
    """Make no core dump of this process, nor of those that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    with contextlib.suppress(OSError, ValueError):  # the limit is 0 and may not be raised to 1
        resource.setrlimit(resource.RLIMIT_CORE, (_NONE, hard if hard else _NONE))

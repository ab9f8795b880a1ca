"""What happens to clients when their process forks or ends."""

import atexit
import os
import sys
import time
import weakref
from collections.abc import Iterable
from typing import Protocol

from gnomon.client.delivery.native import resolver_is_free
from gnomon.client.delivery.waiting import wait_until

FRAGILE_S = 2.0
"""How long a fork waits at most for what it must not interrupt."""
RESOLVER_S = 0.05
"""How long it waits at most for a look-up of an address: 15 us are usual."""


class Living(Protocol):
    """What sends a client's events, as this module sees it.

    Attributes:
        exit_timeout_s: How long it may hold up the end of the process.
    """

    exit_timeout_s: float

    def is_fragile(self) -> bool:
        """Whether its thread is at what a fork must not interrupt."""
        ...

    def may_connect(self) -> bool:
        """Whether a library it uses may look up an address at any time."""
        ...

    def begin_anew(self) -> None:
        """This is a forked child: nothing of the parent's is to be touched."""
        ...

    def begin_close(self) -> float:
        """Ask for an end without waiting; return how long to wait for it, in seconds."""
        ...

    def end_close(self, timeout_s: float) -> int:
        """Wait, then end for good; return how many events did not arrive.

        ``timeout_s`` is negative for what should have ended by now.
        """
        ...

    def hurry(self) -> None:
        """Have what waits sent without lingering."""
        ...

    def waiting(self) -> int:
        """How many accepted events are neither delivered nor refused nor in a spool."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...


_living: "weakref.WeakSet[Living]" = weakref.WeakSet()
_working: set[Living] = set()
_prepared_for_pid: list[int] = []
_exiting: list[int] = []


def register(one: Living) -> None:
    """Tell ``one`` of every fork from now on."""
    _living.add(one)


def close_at_exit(one: Living) -> None:
    """Close ``one`` as this process ends, and keep it alive until then or ``forget``."""
    _working.add(one)
    pid = os.getpid()
    if pid in _prepared_for_pid:
        return
    if not _prepared_for_pid:
        atexit.register(_close_all)  # a forked child inherits this
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=10)  # such a child skips atexit
    _prepared_for_pid[:] = [pid]


def is_exiting() -> bool:
    """Whether this process is ending."""
    return bool(_exiting)


def living() -> list[Living]:
    """All that may have events to send."""
    return list(_living)


def forget(one: Living) -> None:
    """``one`` is closed: the end of the process is nothing to it."""
    _working.discard(one)


def _close_all() -> None:
    """Close everything, as the process ends."""
    close(list(_working))


def close(those: Iterable[Living]) -> None:
    """Close them for good, since the process ends; the budgets run side by side."""
    _exiting.append(os.getpid())
    waits = [(one, time.monotonic() + one.begin_close()) for one in those]
    for one, deadline_s in waits:
        one.end_close(deadline_s - time.monotonic())


def _before_fork() -> None:
    """A child must find nothing half done by threads it has not: their locks would never open."""
    alive = list(_living)
    wait_until(lambda: not any(one.is_fragile() for one in alive), timeout_s=FRAGILE_S)
    if any(one.may_connect() for one in alive):
        resolver_is_free(RESOLVER_S)


def _after_fork_in_child() -> None:
    _working.clear()
    _exiting.clear()
    for one in list(_living):
        one.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)

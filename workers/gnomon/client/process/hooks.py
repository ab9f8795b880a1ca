"""What clients do when their process forks or ends."""

import atexit
import os
import sys
import time
import weakref
from collections.abc import Iterable
from typing import Final, Protocol

from gnomon.client.process.background import wait_until
from gnomon.client.process.native import resolver_is_free

FORK_DELAY_S: Final = 2.0
"""How long a fork waits at most for work that it must not interrupt."""
RESOLVER_S: Final = 0.05
"""How long a fork waits at most for a look-up of an address; 15 us are usual."""


class HookedClient(Protocol):
    """The part of a client that these hooks call.

    Attributes:
        exit_timeout_s: How long the client may delay the end of the process.
    """

    exit_timeout_s: float

    def delays_fork(self) -> bool:
        """Return whether the client's thread does something that a fork must not interrupt."""
        ...

    def may_connect(self) -> bool:
        """Return whether librdkafka may look up an address at any time for this client."""
        ...

    def reset_after_fork(self) -> None:
        """Begin anew in a forked child, without touching anything of the parent's."""
        ...

    def begin_close(self) -> float:
        """Ask for an end without waiting; return how long to wait for it, in seconds."""
        ...

    def end_close(self, timeout_s: float) -> int:
        """Wait for the end, then stop for good; return how many events did not arrive.

        ``timeout_s`` is negative if the end was due before.
        """
        ...

    def expedite(self) -> None:
        """Send the waiting events without lingering."""
        ...

    def waiting(self) -> int:
        """Return how many accepted events are neither delivered, refused nor spooled."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...


_registered: "weakref.WeakSet[HookedClient]" = weakref.WeakSet()
_to_close: set[HookedClient] = set()
_prepared_pid: list[int] = []
_exiting: list[int] = []


def register(client: HookedClient) -> None:
    """Call the fork hooks of ``client`` from now on."""
    _registered.add(client)


def registered() -> list[HookedClient]:
    """Return all clients of the process that may have events to send."""
    return list(_registered)


def close_at_exit(client: HookedClient) -> None:
    """Close ``client`` when this process ends, and keep it alive until then or ``forget``."""
    _to_close.add(client)
    pid = os.getpid()
    if pid in _prepared_pid:
        return
    if not _prepared_pid:
        atexit.register(_close_all)  # a forked child inherits this
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=10)  # such a child skips atexit
    _prepared_pid[:] = [pid]


def is_exiting() -> bool:
    """Return whether this process is ending."""
    return bool(_exiting)


def forget(client: HookedClient) -> None:
    """Do nothing for ``client`` at the end of the process: it is closed."""
    _to_close.discard(client)


def _close_all() -> None:
    """Close every client, as the process ends."""
    close(list(_to_close))


def close(clients: Iterable[HookedClient]) -> None:
    """Close ``clients`` for good because the process ends; their time limits run side by side."""
    _exiting.append(os.getpid())
    waits = [(client, time.monotonic() + client.begin_close()) for client in clients]
    for client, deadline_s in waits:
        client.end_close(deadline_s - time.monotonic())


def _before_fork() -> None:
    """Wait until no other thread is in the middle of something that a child could not finish.

    A lock that another thread holds at the time of the fork is never released in the child.
    """
    clients = list(_registered)
    wait_until(lambda: not any(one.delays_fork() for one in clients), timeout_s=FORK_DELAY_S)
    if any(client.may_connect() for client in clients):
        resolver_is_free(RESOLVER_S)


def _after_fork_in_child() -> None:
    _to_close.clear()
    _exiting.clear()
    for client in list(_registered):
        client.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)

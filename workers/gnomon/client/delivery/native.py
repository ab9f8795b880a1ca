"""Threads and locks of the operating system, also in a process that gevent has patched.

There ``_thread`` makes greenlets. Kafka's library waits in C, which would stop them all.
"""

import _socket
import _thread
import sys
from collections.abc import Callable
from typing import Any


def _original(name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    return getattr(_thread, name) if monkey is None else monkey.get_original("_thread", name)


def start_thread(run: Callable[[], None]) -> None:
    """Have ``run`` run in a thread that nothing waits for.

    Not ``threading.Thread``: its ``start`` takes locks and waits for the thread to run.

    Raises:
        RuntimeError: No thread can be started, as at the end of the interpreter.
    """
    _original("start_new_thread")(run, ())


def thread_id() -> int:
    """That of the thread it is called in, whatever greenlet runs there."""
    found: int = _original("get_ident")()
    return found


class Bell:
    """Wakes one waiting thread. ``ring`` never blocks, and may be called from anywhere."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _original("allocate_lock")()
        self._lock.acquire()

    def ring(self) -> None:
        """Have ``wait`` return, at once or the next time."""
        try:
            self._lock.release()
        except RuntimeError:  # it has been rung, and nobody has heard it yet
            return

    def wait(self, timeout_s: float) -> None:
        """Wait until it rings, at most ``timeout_s``; the interpreter is free meanwhile."""
        self._lock.acquire(timeout=timeout_s)


def resolver_is_free(timeout_s: float) -> bool:
    """Whether a look-up of an address comes through within ``timeout_s``.

    glibc locks its list of interfaces during one (``__check_pf``) and does not open it in a forked
    child. So a fork comes best right after this has returned ``True``.
    """
    bell, found = Bell(), []

    def look_up() -> None:
        found.append(_socket.getaddrinfo("127.0.0.1", None, 0, 0, 0, _socket.AI_ADDRCONFIG))
        bell.ring()

    try:
        start_thread(look_up)
    except RuntimeError:  # the interpreter is ending
        return False
    bell.wait(timeout_s)
    return bool(found)

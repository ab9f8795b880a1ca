"""Threads and locks of the operating system, even in a process that gevent has patched.

In a patched process ``_thread`` makes greenlets. librdkafka waits in C code, which would stop every
greenlet of the process.
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
    """Run ``run`` in a new thread that the interpreter does not join at its end.

    ``threading.Thread`` is not used: its ``start`` takes locks and waits for the thread to run.

    Raises:
        RuntimeError: No thread can be started, as at the end of the interpreter.
    """
    _original("start_new_thread")(run, ())


def thread_id() -> int:
    """Return the id of the calling thread, whatever greenlet runs in it."""
    found: int = _original("get_ident")()
    return found


class WakeEvent:
    """Wakes one waiting thread. ``set`` never blocks and may be called from anywhere."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _original("allocate_lock")()
        self._lock.acquire()

    def set(self) -> None:
        """Make the current or the next ``wait`` return."""
        try:
            self._lock.release()
        except RuntimeError:  # it is set already
            return

    def wait(self, timeout_s: float) -> None:
        """Wait until the event is set, at most ``timeout_s``, and clear it.

        Other threads may run meanwhile.
        """
        self._lock.acquire(timeout=timeout_s)


def resolver_is_free(timeout_s: float) -> bool:
    """Look up an address in another thread; return whether that ended within ``timeout_s``.

    glibc locks its list of interfaces during a look-up (``__check_pf``) and does not release the
    lock in a forked child. A fork is safe right after this function has returned ``True``.
    """
    done, found = WakeEvent(), []

    def look_up() -> None:
        found.append(_socket.getaddrinfo("127.0.0.1", None, 0, 0, 0, _socket.AI_ADDRCONFIG))
        done.set()

    try:
        start_thread(look_up)
    except RuntimeError:  # the interpreter is ending
        return False
    done.wait(timeout_s)
    return bool(found)

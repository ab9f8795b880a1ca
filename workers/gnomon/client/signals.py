"""An orderly end at SIGTERM, at which Python itself ends the process at once."""

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from gnomon.client.client import Client
from gnomon.client.process import hooks
from gnomon.client.process.background import wait_until


def install_sigterm(client: Client | None = None) -> bool:
    """Install a SIGTERM handler that delivers the waiting events within ``exit_timeout_s``.

    Without an earlier handler the client is then closed and the process ends by the signal, so that
    its exit status is the usual one. An earlier handler is called after the delivery, and the client
    stays open for the tasks that this handler still ends.

    Args:
        client: The client; by default all clients that exist when the signal arrives.

    Returns:
        Whether the handler is installed. Python accepts handlers in the main thread only; in another
        thread the call counts as invalid and does nothing.
    """
    former = signal.getsignal(signal.SIGTERM)

    def terminate(number: int, frame: FrameType | None) -> None:
        if callable(former):
            _deliver(_clients(client))
            former(number, frame)
        elif former == signal.SIG_DFL:
            hooks.close(_clients(client))
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    # A handler that was not installed from Python can be neither called nor put back.
    if former is not None and threading.current_thread() is threading.main_thread():
        try:
            signal.signal(signal.SIGTERM, terminate)
        except ValueError:  # the main thread of another interpreter than the first
            pass
        else:
            return True
    for meant in _clients(client):
        meant.refuse("SIGTERM handlers are installed in the main thread")
    return False


def _clients(client: Client | None) -> Sequence[hooks.HookedClient]:
    return hooks.registered() if client is None else [client._intake]  # noqa: SLF001  our own


def _deliver(clients: Sequence[hooks.HookedClient]) -> None:
    """Wait for the waiting events, for at most the longest ``exit_timeout_s`` of the clients."""
    for client in clients:
        client.expedite()
    timeout_s = max((client.exit_timeout_s for client in clients), default=0.0)
    wait_until(lambda: not any(client.waiting() for client in clients), timeout_s=timeout_s)

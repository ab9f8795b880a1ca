"""An orderly end at SIGTERM, which Python has none of: it ends the process at once."""

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from gnomon.client.client import Client
from gnomon.client.delivery import process_hooks
from gnomon.client.delivery.waiting import wait_until


def install_sigterm(client: Client | None = None) -> bool:
    """Have SIGTERM deliver what waits, within ``exit_timeout_s``, before it does what it did.

    Where there was no handler the client is closed and the process ends by the signal, as before,
    so that whoever sent it sees the same status. A handler that was there is called after what
    waits is delivered; the client goes on, as what that handler has still to end will be said.

    Args:
        client: The one to look after; by default all there are by then.

    Returns:
        Whether it is installed. Python takes handlers in the main thread only; elsewhere this
        counts as invalid, and nothing else happens.
    """
    former = signal.getsignal(signal.SIGTERM)

    def terminate(number: int, frame: FrameType | None) -> None:
        if callable(former):
            _deliver(_meant(client))
            former(number, frame)
        elif former == signal.SIG_DFL:
            process_hooks.close(_meant(client))
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
    for one in _meant(client):
        one.refuse("SIGTERM handlers are installed in the main thread")
    return False


def _meant(client: Client | None) -> Sequence[process_hooks.Living]:
    return process_hooks.living() if client is None else [client._outlet]  # noqa: SLF001  our own


def _deliver(meant: Sequence[process_hooks.Living]) -> None:
    """Have what waits delivered, for as long as the most patient of them may take."""
    for one in meant:
        one.hurry()
    budget_s = max((one.exit_timeout_s for one in meant), default=0.0)
    wait_until(lambda: not any(one.waiting() for one in meant), timeout_s=budget_s)

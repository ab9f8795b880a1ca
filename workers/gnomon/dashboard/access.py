"""Who may look: everyone on this machine, and elsewhere who knows the token or comes through a proxy."""

import hmac
import ipaddress
import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal

from gnomon.errors import ConfigurationError

FREE_GUESSES: Final = 5
"""Wrong guesses before each further one has to wait."""
LONGEST_WAIT_S: Final = 30.0

Guess = Literal["right", "wrong", "too soon"]


class Gate:
    """Compares guesses with a token, and slows them down after wrong ones. Safe in threads.

    After ``FREE_GUESSES`` wrong guesses in a row, from whomever, the next is only looked at a second
    later, then after 2, 4, … and at most ``LONGEST_WAIT_S`` seconds. A guess that comes too soon is not
    compared, even if it is right.

    Args:
        token: The token; not empty.
        clock: Seconds, monotonic.
    """

    def __init__(self, token: str, *, clock: Callable[[], float]) -> None:
        self._token, self._clock = token.encode(), clock
        self._lock = threading.Lock()
        self._wrong = 0
        self._next_s = float("-inf")
        self.compared = 0

    def guess(self, text: str) -> Guess:
        """Return whether ``text`` is the token."""
        with self._lock:
            now_s = self._clock()
            if now_s < self._next_s:
                return "too soon"
            self.compared += 1
            if hmac.compare_digest(text.encode(errors="surrogatepass"), self._token):
                self._wrong = 0
                return "right"
            self._wrong += 1
            excess = min(self._wrong - FREE_GUESSES, 10)
            if excess >= 0:
                self._next_s = now_s + min(2.0**excess, LONGEST_WAIT_S)
            return "wrong"

    def wait_s(self) -> float:
        """Return in how many seconds the next guess will be looked at."""
        with self._lock:
            return max(0.0, self._next_s - self._clock())


def user_of(headers: Mapping[str, str], header: str) -> str | None:
    """Return the user that a proxy names in ``header``; ``None`` if it names none."""
    if not header:
        return None
    wanted = header.lower()
    found = next((value for name, value in headers.items() if name.lower() == wanted), "")
    return found.strip() or None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_guard(host: str, *, token: str, user_header: str) -> None:
    """Check that an address that others can reach is guarded.

    Raises:
        ConfigurationError: It is not.
    """
    if not (token or user_header or is_loopback(host)):
        raise ConfigurationError(
            f"--host {host}: others can reach this address, so set GNOMON_DASHBOARD_TOKEN, or behind a proxy"
            " that logs users in GNOMON_DASHBOARD_USER_HEADER"
        )

"""Repeats calls that fail for a passing reason."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from gnomon.errors import TransientError

logger = logging.getLogger(__name__)

WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits between the attempts: a minute in all."""

_T = TypeVar("_T")


def patiently(
    call: Callable[[], _T],
    *,
    waits_s: Sequence[float] = WAITS_S,
    sleep: Callable[[float], object] = time.sleep,
) -> _T:
    """Return what ``call`` returns; after a ``TransientError``, wait and call it again.

    Args:
        call: The call, which may be repeated.
        waits_s: Seconds to wait after each failure; after one more failure the error is raised.
        sleep: Waits for a number of seconds.

    Raises:
        TransientError: That of the last attempt.
    """
    for wait_s in waits_s:
        try:
            return call()
        except TransientError as error:
            logger.warning("again", extra={"error": str(error), "wait_s": wait_s})
            sleep(wait_s)
    return call()

"""glibc held to giving memory back: a long-lived process that works in batches."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 8 << 20
"""Free memory that stays for the next batch: taken anew it costs page faults, a third of its time."""
_MAPPED_FROM_BYTES = 3 << 19
"""Just above a batch as it is written; what is larger is rare, and goes back at once."""


def tune_malloc() -> None:
    """One arena, and thresholds that stay: glibc raises them to the largest batch it has seen.

    Where the C library is another, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)

"""glibc held to giving memory back: a long-lived process that works in batches."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_THRESHOLD_BYTES = 128 << 10


def give_memory_back() -> None:
    """One arena, and thresholds that stay: glibc raises them to the largest batch it has seen.

    With a features worker of 100,000 agents 100 MB less stay. Where the C library is another,
    nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, 3 << 19)
    mallopt(_TRIM_THRESHOLD, 8 << 20)

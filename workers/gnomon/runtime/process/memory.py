"""Tunes the allocator and the garbage collector for a long-lived process that works in batches."""

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_TRIM_THRESHOLD_BYTES = 8 << 20
"""Free memory kept for the next batch: allocating it anew costs page faults, a third of a batch's time."""
_MMAP_THRESHOLD_BYTES = 3 << 19
"""Just above an encoded batch. Larger blocks are rare, and go back to the system when freed."""
_GC_THRESHOLDS = (50_000, 20, 20)
"""A batch has thousands of objects that are freed together: collect young ones less often."""


def tune_malloc() -> None:
    """Use one arena and fixed thresholds; glibc would raise them to the largest batch it has seen.

    With another C library, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
    mallopt(_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def tune_gc() -> None:
    """Exclude what is imported from garbage collection, and collect less often.

    To be called once, when all is imported and before work begins. A stage that has larger batches has set a
    higher threshold for young objects, which stays.
    """
    gc.collect()
    gc.freeze()
    young, *older = _GC_THRESHOLDS
    gc.set_threshold(max(young, gc.get_threshold()[0]), *older)

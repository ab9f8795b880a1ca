"""Limits OpenMP to one thread: a worker has one core, and its batches are small."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Return the controller of the libraries loaded so far; finding them takes milliseconds."""
    import sklearn.ensemble  # noqa: F401, PLC0415  loads OpenMP, if it is not loaded yet

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let scikit-learn compute in the calling thread only, inside this context."""
    with _controller().limit(limits=1, user_api="openmp"):
        yield


_here = threading.local()


def stay_in_this_thread() -> None:
    """Apply ``one_thread`` to the calling thread for good, because each switch takes as long as a prediction."""
    if not getattr(_here, "stays", False):
        _controller().limit(limits=1, user_api="openmp")
        _here.stays = True

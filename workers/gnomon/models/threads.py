"""OpenMP held to one thread: a worker has one core, and batches are small."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Of the libraries loaded so far: looking for them costs milliseconds."""
    import sklearn.ensemble  # noqa: F401, PLC0415  loads its OpenMP, if nothing has yet

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """What scikit-learn computes inside, it computes in the calling thread alone."""
    with _controller().limit(limits=1, user_api="openmp"):
        yield


_here = threading.local()


def stay_in_this_thread() -> None:
    """``one_thread`` for the rest of the calling thread's life: to set it takes as long as a call."""
    if not getattr(_here, "stays", False):
        _controller().limit(limits=1, user_api="openmp")
        _here.stays = True

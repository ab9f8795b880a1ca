"""The callback that long work calls with its progress."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

EVERY = 64
"""Number of items between two calls."""
_T = TypeVar("_T")


class ProgressCallback(Protocol):
    """Receives the progress of a step: its name, how much is done, and of how much if that is known."""

    def __call__(self, what: str, done: int, total: int | None, /) -> None:
        """Return at once and raise nothing: this is called from the middle of the work."""
        ...


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Ignore the progress."""


def counted(
    items: Iterable[_T], on_progress: ProgressCallback, what: str, total: int | None
) -> Iterator[_T]:
    """Yield ``items``, and report how many were taken."""
    done = 0
    on_progress(what, done, total)
    for item in items:
        yield item
        done += 1
        if done % EVERY == 0 or done == total:
            on_progress(what, done, total)

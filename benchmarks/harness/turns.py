"""The order in which contenders are measured: by turns, so that what changes meanwhile favours none."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def by_turns(contenders: Sequence[T], turns: int) -> Iterator[T]:
    """Yield all of ``contenders`` in each turn: in every second one from the last to the first."""
    for turn in range(turns):
        yield from contenders if turn % 2 == 0 else reversed(contenders)

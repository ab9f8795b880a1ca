"""The columns of a snapshot as arrays of integers, written and checked when they are read.

Columns are little-endian. Both forms of an agent refuse the same columns: those that the agent
could not have written.
"""

import sys
from array import array
from typing import Final, Literal

TIMES_END_MS: Final = 253_402_300_800_000
"""The year 10000: event times are below it."""
DURATIONS_END_NS: Final = 1 << 53
"""Above the longest duration that an event may have."""
RUNS_END: Final = DURATIONS_END_NS << 5
"""A run is a duration above five bits (``history``)."""
_RUNS: Final = 20


def to_bytes(column: "array[int]") -> bytes:
    """The column as it is written."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def to_array(typecode: Literal["i", "q"], data: bytes) -> "array[int]":
    """The column that ``to_bytes`` wrote.

    Raises:
        ValueError: The bytes are no whole number of integers.
    """
    column = array(typecode, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def times(data: bytes) -> "array[int]":
    """A column of ascending epoch milliseconds."""
    column = to_array("q", data)
    check_within(column, TIMES_END_MS)
    check_ascending(column)
    return column


def ring(data: bytes) -> "array[int]":
    """A ring of the last runs behind their sum (``history``)."""
    column = to_array("q", data)
    if not 1 <= len(column) <= _RUNS + 1:
        raise ValueError("a ring of runs of an impossible length")
    check_within(column[1:], RUNS_END)
    if sum(column[1:]) != column[0]:
        raise ValueError("a ring of runs that does not add up")
    return column


def check_within(column: "array[int]", end: int) -> None:
    """Refuse a column with a number that is negative or not below ``end``."""
    if column and not (min(column) >= 0 and max(column) < end):
        raise ValueError("a column has a number outside its bounds")


def check_ascending(column: "array[int]", *, strictly: bool = False) -> None:
    """Refuse a column in another order; ``strictly``: one with equal numbers, too."""
    in_order = sorted(set(column)) if strictly else sorted(column)
    if in_order != column.tolist():
        raise ValueError("a column is not in ascending order")

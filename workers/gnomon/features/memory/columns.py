"""The columns of a snapshot as arrays of integers, which are checked when they are read.

Columns are little-endian. The Python and the compiled agent refuse the same columns: those that an
agent cannot have written.
"""

import sys
from array import array
from typing import Final, Literal

TIMES_END_MS: Final = 253_402_300_800_000
"""The year 10000; event times are below it."""
DURATIONS_END_NS: Final = 1 << 53
"""A bound above the longest duration that an event may have."""
RUNS_END: Final = DURATIONS_END_NS << 5
"""A bound for runs, which are durations shifted by five bits (``history``)."""


def to_bytes(column: "array[int]") -> bytes:
    """The bytes of a column."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def to_array(typecode: Literal["i", "q"], data: bytes) -> "array[int]":
    """The column of the bytes that ``to_bytes`` made.

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


def check_within(column: "array[int]", end: int) -> None:
    """Refuse a column with a number that is negative or not below ``end``."""
    if column and not (min(column) >= 0 and max(column) < end):
        raise ValueError("a column has a number outside its bounds")


def check_ascending(column: "array[int]", *, strictly: bool = False) -> None:
    """Refuse a column that is not ascending, or with ``strictly`` one with equal numbers."""
    in_order = sorted(set(column)) if strictly else sorted(column)
    if in_order != column.tolist():
        raise ValueError("a column is not in ascending order")

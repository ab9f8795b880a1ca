"""Rows that the compiled module packs for ``COPY`` are those of PostgreSQL's documentation, byte for byte."""

import os
import struct
from collections.abc import Sequence
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.compiled import load

copy_rows = load("gnomon.store.compiled.copy_rows")
OF_KIND = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "d": st.floats(),
    "?": st.booleans(),
    "s": st.text(st.characters(exclude_categories=["Cs"])),
    "b": st.binary(max_size=3_000),
}
built = pytest.mark.skipif(
    copy_rows is None, reason="gnomon was not compiled here: pip install says why"
)


def field(kind: str, value: object) -> bytes:
    """A field in the binary format: its length and its bytes."""
    if value is None:
        return struct.pack(">i", -1)
    if kind == "s":
        data = str(value).encode()
    elif isinstance(value, bytes):
        data = value
    else:
        data = struct.pack({"i": ">q", "d": ">d", "?": ">?"}[kind], value)
    return struct.pack(">i", len(data)) + data


def written(kinds: str, rows: Sequence[Sequence[object]]) -> bytes:
    return b"".join(
        struct.pack(">h", len(kinds)) + b"".join(map(field, kinds, row)) for row in rows
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[tuple[object, ...]]]:
    kinds = draw(st.text("id?sb", max_size=12))
    row = st.tuples(*(st.none() | OF_KIND[kind] for kind in kinds))
    return kinds, draw(st.lists(row, max_size=6))


@pytest.mark.skipif(
    os.environ.get("GNOMON_PURE_PYTHON") == "1"
    or find_spec("gnomon.store.compiled.copy_rows") is None,
    reason="gnomon was not compiled here: pip install says why",
)
def test_what_was_compiled_is_used() -> None:
    """Else every other test would be skipped when a module cannot be imported."""
    assert copy_rows is not None
    assert load("gnomon.store.compiled.numbers") is not None


@built
@given(tables())
def test_rows_are_in_the_binary_format(table: tuple[str, list[tuple[object, ...]]]) -> None:
    kinds, rows = table
    assert copy_rows.packed_rows(kinds.encode(), rows) == written(kinds, rows)
    assert copy_rows.packed_rows(kinds.encode(), map(list, rows)) == written(kinds, rows)


@built
def test_what_is_around_the_rows() -> None:
    """The signature, flags and no extension; and a row of -1 fields."""
    assert b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0) == copy_rows.HEAD
    assert struct.pack(">h", -1) == copy_rows.TRAILER


@built
@pytest.mark.parametrize(
    ("kinds", "row", "error"),
    [
        ("i", (2**63,), OverflowError),
        ("i", (-(2**63) - 1,), OverflowError),
        ("i", (1.5,), TypeError),
        ("i", (True,), TypeError),
        ("?", (1,), TypeError),
        ("d", ("1",), TypeError),
        ("s", (b"x",), TypeError),
        ("s", ("\ud800",), ValueError),
        ("b", ("x",), TypeError),
        ("b", (bytearray(b"x"),), TypeError),
        ("is", (1,), ValueError),
        ("i", (1, 2), ValueError),
        ("i", 1, TypeError),
        ("x", (1,), ValueError),
    ],
)
def test_what_does_not_fit_is_refused(kinds: str, row: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        copy_rows.packed_rows(kinds.encode(), [row])

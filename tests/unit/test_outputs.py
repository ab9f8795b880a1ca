"""What a batch leads to, added up: in lists, and in the rows that compiled modules have in their place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.compiled import load
from gnomon.records import Keyed, Outputs

packed_rows: Any = load("gnomon.compiled.packed_rows")
ROWS = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=300)), max_size=12)
compiled = pytest.mark.skipif(packed_rows is None, reason="nothing was compiled")


def packed(rows: list[Keyed]) -> Any:
    made = packed_rows.PackedRows()
    made.extend(rows)
    return made


def test_the_rows_of_one_topic_keep_their_order() -> None:
    outputs, more = Outputs(), Outputs()
    outputs.add("a", [(b"1", b"x")])
    more.add("a", [(b"2", b"y")])
    more.add("b", [(b"3", b"z")])
    outputs.extend(more)
    outputs.topic("a").append((b"4", b""))
    assert outputs.by_topic == {"a": [(b"1", b"x"), (b"2", b"y"), (b"4", b"")], "b": [(b"3", b"z")]}


@compiled
@given(st.lists(st.tuples(ROWS, st.booleans()), max_size=8))
def test_packed_rows_and_lists_add_up_to_the_same(parts: list[tuple[list[Keyed], bool]]) -> None:
    outputs = Outputs()
    for rows, in_c in parts:
        outputs.add("a", packed(rows) if in_c else list(rows))
    found = [*outputs.by_topic.get("a", [])]
    assert found == [row for rows, _ in parts for row in rows]


@compiled
def test_rows_without_a_key_or_a_value_can_follow_packed_rows() -> None:
    outputs = Outputs()
    outputs.add("a", packed([(b"1", b"x")]))
    outputs.add("a", [(None, b"y"), (b"3", None)])
    assert outputs.by_topic["a"] == [(b"1", b"x"), (None, b"y"), (b"3", None)]


@compiled
@pytest.mark.parametrize("row", [(None, b""), (b"", None), (b"",), ("", b"")])
def test_packed_rows_refuse_what_is_no_row(row: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        packed([(b"1", b"x"), row])


@compiled
def test_a_refused_row_leaves_the_rows_before_it() -> None:
    made = packed([(b"1", b"x")])
    with pytest.raises(TypeError):
        made.extend([(b"2", b"y"), (b"3", 4)])
    assert [*made] == [(b"1", b"x"), (b"2", b"y")]

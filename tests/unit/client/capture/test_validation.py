"""The client accepts exactly the events that every reader accepts, and changes none of them."""

import enum
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon import codec
from gnomon.client import MemoryClient
from gnomon.client.capture.sizes import (
    SURELY_SMALL,
    size_of_cancel,
    size_of_end,
    size_of_start,
)
from gnomon.client.capture.validation import flat
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted

LINK = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TEXTS = [
    LINK,
    LINK.upper(),
    f"{LINK}\n",
    "",
    "a",
    "a" * 256,
    "a" * 257,
    "é" * 256,
    "\ud800",
    "\x00" * 256,
    "\t" * 1024,
    "\t" * 1025,
]
NUMBERS = [0, -1, True, 1.5, math.nan, math.inf, -0.0, 2**53, 10**30, 9_000_000.0, 9_000_000.1]
TIMES = [253_402_300_799_999, 253_402_300_800_000, 100_000_000, 100_000_001]
OTHERS: list[Any] = [
    None,
    b"",
    b"x",
    [],
    {},
    {"a": 1},
    {"a": [1]},
    {1: 2},
    {"a": math.nan},
    {"a": 10**30},
]
NEAR = st.sampled_from([*TEXTS, *NUMBERS, *TIMES, *OTHERS])
"""Values at the edges of the contract's bounds, and of other kinds."""

SIZES: dict[type[TaskEvent], Any] = {
    TaskStarted: size_of_start,
    TaskFinished: lambda event: size_of_end(event, {}),
    TaskCancelled: size_of_cancel,
}
FIELDS: dict[type[TaskEvent], dict[str, Any]] = {
    TaskStarted: {"agent_id": "a", "task_id": "t", "task_type": "x", "started_at_ms": 1_000},
    TaskFinished: {
        "agent_id": "a",
        "task_id": "t",
        "task_type": "x",
        "started_at_ms": 1_000,
        "finished_at_ms": 2_000,
        "duration_s": 1.0,
        "succeeded": True,
    },
    TaskCancelled: {"agent_id": "a", "task_id": "t", "cancelled_at_ms": 1_000},
}


@st.composite
def events(draw: st.DrawFn) -> TaskEvent:
    """A valid event of which up to three fields have any value at all."""
    kind = draw(st.sampled_from(list(FIELDS)))
    names = [field.name for field in msgspec.structs.fields(kind)]
    changes = draw(st.dictionaries(st.sampled_from(names), NEAR, max_size=3))
    try:
        return kind(**FIELDS[kind] | changes)
    except (ValueError, TypeError):  # an end before its start
        return kind(**FIELDS[kind])


@settings(max_examples=800)
@given(events())
def test_an_accepted_event_is_read_as_it_was_given(event: TaskEvent) -> None:
    client = MemoryClient()
    accepted = client.emit(event)

    assert client.stats().dropped == (not accepted)
    assert client.events() == [event] * accepted


@settings(max_examples=800)
@given(events())
def test_events_that_readers_accept_are_accepted(event: TaskEvent) -> None:
    """The checks are not stricter than the contract, but for numbers beyond 64 bits."""
    try:
        taken = codec.decode_task_event(codec.encode(event)) == event
    except (*codec.UNDECODABLE, UnicodeEncodeError, TypeError):
        taken = False
    mappings = [getattr(event, name, None) for name in ("context", "outcome")]

    assert MemoryClient().emit(event) is (taken and {"a": 10**30} not in mappings)


@pytest.mark.parametrize("kind", [TaskStarted, TaskFinished])
def test_an_event_with_a_traceparent_is_checked_without_encoding(kind: type[TaskEvent]) -> None:
    """With OpenTelemetry each event has one, and encoding in the call costs five times as much."""
    plain, linked = kind(**FIELDS[kind]), kind(**FIELDS[kind] | {"traceparent": LINK})
    odd = kind(**FIELDS[kind] | {"traceparent": LINK.upper()})

    longer = len(codec.encode(linked)) - len(codec.encode(plain))
    assert SIZES[kind](linked) == SIZES[kind](plain) + longer
    assert SIZES[kind](odd) == -1


KNOWN: dict[str, int] = {}


@given(st.lists(events(), max_size=5))
def test_remembered_names_change_no_size(several: list[TaskEvent]) -> None:
    ends = [event for event in several if type(event) is TaskFinished]

    assert [size_of_end(end, KNOWN) for end in ends] == [size_of_end(end, {}) for end in ends]


def test_few_names_are_remembered() -> None:
    """An agent that makes up names does not fill the memory of its process."""
    known: dict[str, int] = {}
    for number in range(5_000):
        fields = FIELDS[TaskFinished] | {"task_type": f"type {number}"}
        assert size_of_end(TaskFinished(**fields), known) > 0

    assert len(known) <= 1_001


@given(events())
def test_a_small_size_is_small_enough_once_encoded(event: TaskEvent) -> None:
    """A character takes six bytes at most, so an event estimated as small always fits a record."""
    size = SIZES[type(event)](event)
    mappings = [getattr(event, name, {}) for name in ("context", "outcome")]
    if size >= 0:
        size += sum(flat(mapping)[1] for mapping in mappings)
        length = len(codec.encode(event))
        assert size > SURELY_SMALL or length <= 6 * size
        assert 6 * SURELY_SMALL < 65_536


class Language(enum.StrEnum):
    PYTHON = "py"


class Ratio(float):
    """A float of a subclass, as numpy's are."""


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("given_", "kept", "refused"),
    [
        ({}, {}, 0),
        ({"a": 1, "b": 1.5, "c": True, "d": None, "é": "é"}, None, 0),
        ({"a": 1, "b": math.nan}, {"a": 1}, 1),
        ({"a": 1, "b": -math.inf, "c": [1], "d": {}, "e": b"x", "f": object()}, {"a": 1}, 5),
        ({"a": 2**64 - 1, "b": -(2**63)}, None, 0),
        ({"a": 2**64, "b": -(2**63) - 1, "c": 3}, {"c": 3}, 2),
        ({5: "five", "a": "\ud800", "\ud800": 1, "b": 2}, {"b": 2}, 3),
        ({"a": Language.PYTHON, "b": Ratio(0.5)}, {"a": "py", "b": 0.5}, 0),
        (["a"], {}, 1),
        ("text", {}, 1),
    ],
)
def test_the_flat_and_finite_items_of_a_mapping_are_kept(
    given_: Any, kept: dict[str, Any] | None, refused: int
) -> None:
    found, _, count = flat(given_)

    assert (found, count) == (given_ if kept is None else kept, refused)
    assert all(type(v) in {str, int, float, bool, type(None)} for v in found.values())


def test_hostile_strings_are_converted_to_their_plain_value() -> None:
    found, _, refused = flat({"a": Name("abc")})

    assert (found, refused) == ({"a": "abc"}, 0)
    assert type(found["a"]) is str


def test_a_mapping_without_end_is_cut() -> None:
    class Endless(dict[str, int]):
        def items(self) -> Any:
            return (("n%d" % n, n) for n in iter(int, 1))  # noqa: UP031  for ever

    client = MemoryClient(agent_id="a")
    with client.task("x", context=Endless()):
        pass

    assert client.stats().accepted == 2

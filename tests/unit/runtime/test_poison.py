"""Folding around records that raise: any positions, any batch, nothing of them left behind."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import ConfigurationError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.poison import describe, fold_around


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None
    topic: str = "in"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Listing:
    """Lists the offsets it folded; a value of ``!`` spoils the list, then raises."""

    stateful = True

    def __init__(self) -> None:
        self.folds = 0

    def new_state(self, partition: int) -> list[int]:
        return []

    async def apply(self, state: list[int], records: Sequence[SourceRecord]) -> Outputs:
        self.folds += 1
        outputs = Outputs()
        for record in records:
            state.append(record.offset)
            if record.value == b"!":
                raise KeyError("spoilt")
            if record.value == b"?":
                raise ConfigurationError("no key")
            outputs.topic("out").append((None, str(state).encode()))
        return outputs

    def snapshot(self, state: list[int]) -> bytes:
        return ",".join(map(str, state)).encode()

    def restore(self, partition: int, data: bytes) -> list[int]:
        return [int(text) for text in data.split(b",") if text]


async def fold(values: Sequence[bytes]) -> tuple[list[int], list[Any], list[int], Listing]:
    stage: Any = Listing()
    written: list[Any] = []
    committed: list[int] = []

    async def commit(part: Sequence[SourceRecord], outputs: Outputs) -> None:
        written.extend(value for _, value in outputs.topic("out"))
        written.extend((letter.record.offset, letter.reason) for letter in outputs.dead)
        committed.extend(record.offset for record in part)

    records = [Record(offset, value) for offset, value in enumerate(values)]
    state = await fold_around(stage, [], records, partition=0, apply=stage.apply, commit=commit)
    return state, written, committed, stage


@given(st.lists(st.sampled_from([b"v", b"v", b"v", b"!"]), min_size=1, max_size=60))
async def test_it_is_as_if_the_poison_had_never_been(values: list[bytes]) -> None:
    state, written, committed, _ = await fold(values)

    good = [offset for offset, value in enumerate(values) if value == b"v"]
    bad = [offset for offset, value in enumerate(values) if value == b"!"]
    assert state == good
    assert [w for w in written if isinstance(w, bytes)] == [
        str(good[: n + 1]).encode() for n in range(len(good))
    ]
    assert [w for w in written if isinstance(w, tuple)] == [(o, "stage_error") for o in bad]
    assert committed == list(range(len(values)))  # each once, in order


@pytest.mark.parametrize("position", [0, 1, 511, 1023])
async def test_one_of_a_thousand_is_found_in_few_folds(position: int) -> None:
    values = [b"v"] * 1024
    values[position] = b"!"

    *_, stage = await fold(values)

    assert stage.folds <= 21  # 2 log2(1024) + 1


async def test_an_error_that_is_no_records_fault_is_not_searched_for() -> None:
    with pytest.raises(ConfigurationError):
        await fold([b"v", b"?", b"v"])


class MishapError(Exception):
    """What a stage stumbles over."""


def fail(message: str) -> None:
    raise MishapError(message)


def raised(message: str) -> Exception:
    with pytest.raises(MishapError) as caught:
        fail(message)
    return caught.value


def test_what_went_wrong_is_told_with_its_place() -> None:
    error = raised("month out of range")
    line = traceback.extract_tb(error.__traceback__)[-1].lineno

    detail = describe(error, Record(0, b"{}"))

    assert detail == f"MishapError at test_poison.py:{line}: month out of range"


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ("invalid literal for int: 'hunter2'", b'{"x": "hunter2"}'),
        ("bad password hunter", b'{"x": "hunter"}'),
        ("bad password HUNTER", b'{"x": "hunter"}'),
        ("bad password hunter.", b'{"x": "hunter"}'),
        ("cannot read 4711", b'{"x": 4711}'),
        ("cannot read hunter", b'{"x": "\\u0068unter"}'),
        ("cannot read h\u00fcnter", '{"x": "h\u00fcnter"}'.encode()),
    ],
)
def test_nothing_of_the_record_is_told(message: str, value: bytes) -> None:
    detail = describe(raised(message), Record(0, value)).casefold()

    assert not any(secret in detail for secret in ("hunter", "h\u00fcnter", "4711"))


@given(st.text(max_size=200), st.binary(max_size=200))
def test_a_detail_is_short_and_can_be_a_header(message: str, value: bytes) -> None:
    assert len(describe(raised(message * 20), Record(0, value)).encode()) <= 900

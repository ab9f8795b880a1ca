"""Poison records at any position are found, and leave nothing behind in the state."""

import traceback
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.kafka.topic_in_memory import Record

from gnomon.errors import ConfigurationError, OutputTooLargeError, StageBrokenError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.poison import describe, fold_without_poison


class Listing:
    """Lists the offsets it has processed; on the value ``!`` it changes the list and raises.

    The outputs of an ``L`` are too large, those of everything else are not.
    """

    stateful = True
    linger_ms = 20
    nice = 0

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


async def fold(
    values: Sequence[bytes],
    *,
    failure_limit: ConsecutiveFailureLimit | None = None,
    written: list[Any] | None = None,
) -> tuple[list[int], list[Any], list[int], Listing]:
    stage: Any = Listing()
    written = [] if written is None else written
    committed: list[int] = []

    async def commit(part: Sequence[SourceRecord], outputs: Outputs) -> None:
        if not outputs.dead and any(record.value == b"L" for record in part):
            raise OutputTooLargeError("2 MB")
        written.extend(value for _, value in outputs.topic("out"))
        written.extend((letter.record.offset, letter.reason) for letter in outputs.dead)
        committed.extend(record.offset for record in part)

    records = [Record(offset, value) for offset, value in enumerate(values)]
    state = await fold_without_poison(
        stage,
        [],
        records,
        partition=0,
        apply=stage.apply,
        commit=commit,
        failure_limit=failure_limit or ConsecutiveFailureLimit("listing"),
    )
    return state, written, committed, stage


@given(st.lists(st.sampled_from([b"v", b"v", b"v", b"!", b"L"]), min_size=1, max_size=31))
async def test_the_state_is_that_of_a_log_without_the_poison(values: list[bytes]) -> None:
    state, written, committed, _ = await fold(values)

    good = [offset for offset, value in enumerate(values) if value == b"v"]
    reasons = {b"!": "stage_error", b"L": "output_too_large"}
    bad = [(o, reasons[value]) for o, value in enumerate(values) if value in reasons]
    assert state == good
    assert [w for w in written if isinstance(w, bytes)] == [
        str(good[: n + 1]).encode() for n in range(len(good))
    ]
    assert [w for w in written if isinstance(w, tuple)] == bad
    assert committed == list(range(len(values)))  # each once, in order


@pytest.mark.parametrize("position", [0, 1, 511, 1023])
async def test_one_of_a_thousand_is_found_in_few_folds(position: int) -> None:
    values = [b"v"] * 1024
    values[position] = b"!"

    *_, stage = await fold(values)

    assert stage.folds <= 21  # 2 log2(1024) + 1


async def test_a_stage_that_raises_on_32_records_in_a_row_is_broken_and_quarantines_none() -> None:
    written: list[Any] = []
    with pytest.raises(StageBrokenError, match=r"'listing' .*32 in a row: KeyError at test_poison"):
        await fold([b"v"] + [b"!"] * 40, written=written)

    assert written == [b"[0]"]


async def test_31_in_a_row_are_bad_records() -> None:
    _, written, committed, _ = await fold([b"!"] * 31 + [b"v"])

    assert [reason for _, reason in written[:31]] == ["stage_error"] * 31
    assert written[31] == b"[31]"
    assert committed == list(range(32))


async def test_small_batches_are_counted_together() -> None:
    failure_limit = ConsecutiveFailureLimit("listing")
    for _ in range(3):
        await fold([b"!"] * 10, failure_limit=failure_limit)
    with pytest.raises(StageBrokenError):
        await fold([b"!"] * 2, failure_limit=failure_limit)


async def test_a_record_processed_in_between_starts_the_count_again() -> None:
    failure_limit = ConsecutiveFailureLimit("listing")
    for _ in range(4):
        await fold([b"!"] * 10, failure_limit=failure_limit)
        await fold([b"v"], failure_limit=failure_limit)


async def test_a_configuration_error_is_not_blamed_on_a_record() -> None:
    with pytest.raises(ConfigurationError):
        await fold([b"v", b"?", b"v"])


class MishapError(Exception):
    """An error of a stage."""


def fail(message: str) -> None:
    raise MishapError(message)


def raised(message: str) -> Exception:
    with pytest.raises(MishapError) as caught:
        fail(message)
    return caught.value


def test_the_detail_has_class_location_and_message() -> None:
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
def test_the_detail_has_no_content_of_the_record(message: str, value: bytes) -> None:
    detail = describe(raised(message), Record(0, value)).casefold()

    assert not any(secret in detail for secret in ("hunter", "h\u00fcnter", "4711"))


@given(st.text(max_size=200), st.binary(max_size=200))
def test_a_detail_is_short_and_can_be_a_header(message: str, value: bytes) -> None:
    assert len(describe(raised(message * 20), Record(0, value)).encode()) <= 900

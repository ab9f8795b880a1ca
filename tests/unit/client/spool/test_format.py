"""The spool's format is as documented, and damage costs only the record it is in."""

import zlib
from bisect import bisect_right
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.client.records import Record
from gnomon.client.spool.format import decode, decode_position, encode, encode_position

GOLDEN_RECORD = bytes.fromhex(
    "ff677301"  # a record, version 1
    "e9fa13fc"  # CRC-32 of what follows, as gzip -c | tail -c8 has it (reversed)
    "00000006"  # key bytes
    "00000007"  # value bytes
    "726f75746572"  # router
    "7b2261223a317d"  # {"a":1}
)
GOLDEN_POSITION = bytes.fromhex("ff6770011b187ecc000000030000000000001234")

texts = st.text(max_size=20).map(str.encode)
records = st.builds(Record, texts, texts)


def found(data: bytes) -> list[Record]:
    return [record for _, record in decode(data).records]


def test_a_record_has_the_documented_bytes() -> None:
    assert encode(Record(b"router", b'{"a":1}')) == GOLDEN_RECORD
    assert decode(GOLDEN_RECORD).records == [(29, Record(b"router", b'{"a":1}'))]


def test_a_position_has_the_documented_bytes() -> None:
    assert encode_position(3, 0x1234) == GOLDEN_POSITION
    assert decode_position(GOLDEN_POSITION) == (3, 0x1234)


def test_the_checksum_is_that_of_zlib_over_what_follows_it() -> None:
    assert int.from_bytes(GOLDEN_RECORD[4:8], "big") == zlib.crc32(GOLDEN_RECORD[8:])
    assert int.from_bytes(GOLDEN_POSITION[4:8], "big") == zlib.crc32(GOLDEN_POSITION[8:])


@given(st.lists(records, max_size=8), st.integers(0, 1 << 40))
def test_records_are_decoded_with_the_offsets_of_their_ends(
    given_: list[Record], begins_at: int
) -> None:
    decoded = decode(b"".join(map(encode, given_)), begins_at=begins_at)

    assert [record for _, record in decoded.records] == given_
    ends = [begins_at]
    for key, value in given_:
        ends.append(ends[-1] + 16 + len(key) + len(value))
    assert [end for end, _ in decoded.records] == ends[1:]
    assert decoded.damaged == 0


SEVEN = [Record(f"agent-{n}".encode(), b'{"n":%d,"x":"%s"}' % (n, b"y" * n * 5)) for n in range(7)]
ENDS = list(accumulate(16 + len(key) + len(value) for key, value in SEVEN))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_its_record_alone(flip: int) -> None:
    data = b"".join(map(encode, SEVEN))
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= flip
        hit = next(n for n, end in enumerate(ENDS) if place < end)
        assert found(bytes(damaged)) == SEVEN[:hit] + SEVEN[hit + 1 :], place


def test_a_cut_costs_the_records_behind_it_and_is_no_damage() -> None:
    data = b"".join(map(encode, SEVEN))
    for length in range(len(data)):
        decoded = decode(data[:length])
        whole = [record for end, record in zip(ENDS, SEVEN, strict=True) if end <= length]
        assert [record for _, record in decoded.records] == whole
        assert decoded.damaged == 0


def test_zeros_at_the_end_as_a_power_cut_leaves_them_are_damage_once() -> None:
    data = b"".join(map(encode, SEVEN)) + bytes(4_096)

    assert found(data) == SEVEN
    assert decode(data).damaged == 1


def test_each_damaged_place_is_counted() -> None:
    parts = [encode(record) for record in SEVEN]
    parts[1] = parts[1][:-1] + b"?"
    parts[2] = parts[2][:-1] + b"?"  # next to the first: the same place
    parts[5] = b"\x00" + parts[5][1:]

    decoded = decode(b"".join(parts))
    assert [record for _, record in decoded.records] == [SEVEN[n] for n in (0, 3, 4, 6)]
    assert decoded.damaged == 2


@given(st.lists(records, max_size=8), st.data())
def test_a_segment_read_in_parts_has_the_records_written_to_it(
    written: list[Record], data: st.DataObject
) -> None:
    """Whole or with one damaged byte: the next part has the record that one part ends inside."""
    whole = bytearray(b"".join(map(encode, written)))
    ends = list(accumulate(16 + len(key) + len(value) for key, value in written))
    expected = list(zip(ends, written, strict=True))
    if whole and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        del expected[bisect_right(ends, place)]
    found_in_parts: list[tuple[int, Record]] = []
    upto = 0
    while upto < len(whole):
        length = data.draw(st.integers(1, 60))
        for size in range(length, len(whole) + length):
            is_all = upto + size >= len(whole)
            decoded = decode(bytes(whole[upto : upto + size]), begins_at=upto, is_all=is_all)
            if decoded.upto > upto:
                break
        found_in_parts += decoded.records
        upto = decoded.upto
    assert found_in_parts == expected


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_raise(data: bytes) -> None:
    decode(data)
    decode(b"\xffgs\x01" + data)
    decode_position(data)
    decode_position(b"\xffgp\x01" + data)


def test_a_damaged_position_is_the_beginning() -> None:
    for place in range(len(GOLDEN_POSITION)):
        damaged = bytearray(GOLDEN_POSITION)
        damaged[place] ^= 0x10
        assert decode_position(bytes(damaged)) == (0, 0)
        assert decode_position(GOLDEN_POSITION[:place]) == (0, 0)

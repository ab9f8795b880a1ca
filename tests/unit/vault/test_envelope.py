"""Tests of the record format, and that a record opens only unchanged and only in its own row."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vault.reference import gcm_seal

from gnomon.errors import UnreadableError
from gnomon.vault.envelope import AssociatedData, DataKey, cipher

VECTORS = json.loads((Path(__file__).parent / "aes_256_gcm_nist.json").read_text())["vectors"]
WYCHEPROOF = json.loads((Path(__file__).parent / "aes_256_gcm_wycheproof.json").read_text())[
    "tests"
]

SECRET = bytes(range(32))
NONCE = bytes(range(0xA0, 0xAC))
HOME = AssociatedData(store="decisions", scope="default", record_id="d-é1", schema="comparison.v1")
PLAIN = b'{"kind":"comparison.v1"}'
# Made once with PyCryptodome and the standard library's HMAC from the layout alone.
GOLDEN = bytes.fromhex(
    "474e01010000"  # GN, version 1, algorithm 1, no flags
    "25a752617257116952bff66d9f9514d9"  # key id
    "a0a1a2a3a4a5a6a7a8a9aaab"  # nonce
    "9d3a17442baf20854006e8be771bb2b703c3373ee48660115dde36045e53e25880e974bc2401e543"
)


def lp(*fields: bytes) -> bytes:
    return b"".join(len(f).to_bytes(2, "big") + f for f in fields)


def commitment(secret: bytes) -> bytes:
    """RFC 5869, expand step, first block."""
    return hmac.new(secret, b"gnomon/dek-commitment/v1\x01", hashlib.sha256).digest()


def refusal(sealed: bytes, place: AssociatedData = HOME) -> str:
    with pytest.raises(UnreadableError) as refused:
        DataKey(SECRET).open(sealed, place)
    return refused.value.reason


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_the_cipher_we_use_gives_what_nist_says(vector: dict[str, str | None]) -> None:
    key, nonce, associated, sealed = (
        bytes.fromhex(vector[name] or "") for name in ("key", "nonce", "associated", "sealed")
    )
    if vector["plain"] is None:
        with pytest.raises(InvalidTag):
            AESGCM(key).decrypt(nonce, sealed, associated)
        return
    plain = bytes.fromhex(vector["plain"])
    assert AESGCM(key).encrypt(nonce, plain, associated) == sealed
    assert gcm_seal(key, nonce, plain, associated) == sealed


@pytest.mark.parametrize("vector", WYCHEPROOF, ids=[str(each["tcId"]) for each in WYCHEPROOF])
def test_the_cipher_we_use_passes_wycheproof(vector: dict[str, str]) -> None:
    key, nonce, associated, plain = (
        bytes.fromhex(vector[name]) for name in ("key", "iv", "aad", "msg")
    )
    sealed = bytes.fromhex(vector["ct"] + vector["tag"])
    if vector["result"] == "valid":
        assert cipher(key).encrypt(nonce, plain, associated) == sealed
        assert cipher(key).decrypt(nonce, sealed, associated) == plain
    else:
        with pytest.raises(InvalidTag):
            cipher(key).decrypt(nonce, sealed, associated)


def test_the_golden_record_is_what_is_written() -> None:
    assert DataKey(SECRET).seal(PLAIN, HOME, random=lambda n: NONCE[:n]) == GOLDEN


def test_the_golden_record_opens() -> None:
    assert DataKey(SECRET).open(GOLDEN, HOME) == PLAIN


@settings(max_examples=40, deadline=None)
@given(
    secret=st.binary(min_size=32, max_size=32),
    nonce=st.binary(min_size=12, max_size=12),
    plain=st.binary(max_size=70),
    place=st.builds(
        AssociatedData, store=st.text(), scope=st.text(), record_id=st.text(), schema=st.text()
    ),
)
def test_a_record_is_its_layout_byte_for_byte(
    secret: bytes, nonce: bytes, plain: bytes, place: AssociatedData
) -> None:
    header = b"GN\x01\x01\x00\x00" + commitment(secret)[:16] + nonce
    fields = lp(*(f.encode() for f in (place.store, place.scope, place.record_id, place.schema)))
    expected = header + gcm_seal(secret, nonce, plain, header + fields)
    assert DataKey(secret).seal(plain, place, random=lambda _: nonce) == expected


@given(plain=st.binary(max_size=3000))
def test_what_was_sealed_opens_and_costs_50_bytes(plain: bytes) -> None:
    sealed = DataKey(SECRET).seal(plain, HOME)
    assert len(sealed) == len(plain) + 50
    assert DataKey(SECRET).open(sealed, HOME) == plain


def test_every_flipped_bit_is_refused_for_the_right_reason() -> None:
    for bit in range(8 * len(GOLDEN)):
        changed = bytearray(GOLDEN)
        changed[bit // 8] ^= 1 << bit % 8
        byte = bit // 8
        expected = "bad_header" if byte < 6 else "unknown_key" if byte < 22 else "tampered"
        assert refusal(bytes(changed)) == expected, f"bit {bit}"


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOLDEN)):
        expected = "bad_header" if length < 50 else "tampered"
        assert refusal(GOLDEN[:length]) == expected, f"{length} bytes"


@given(junk=st.binary(max_size=200))
def test_no_junk_opens_and_none_raises_anything_else(junk: bytes) -> None:
    refusal(junk)
    refusal(GOLDEN[:6] + junk)
    refusal(GOLDEN[:34] + junk)
    refusal(GOLDEN + junk + b"\0")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"store": "archive"},
        {"scope": "team-b"},
        {"record_id": "d-é2"},
        {"record_id": ""},
        {"schema": "comparison.v2"},
        {"store": "decision", "scope": "sdefault"},
        {"store": "decisionsd", "scope": "efault"},
        {"scope": "defaultd", "record_id": "-é1"},
        {"record_id": "d-é1c", "schema": "omparison.v1"},
        {"record_id": "x" * 65_536},
        {"record_id": "\ud800"},
    ],
    ids=str,
)
def test_a_record_opens_nowhere_else(elsewhere: dict[str, str]) -> None:
    home = {"store": "decisions", "scope": "default", "record_id": "d-é1"}
    place = AssociatedData(**{**home, "schema": "comparison.v1", **elsewhere})
    assert refusal(GOLDEN, place) == "tampered"


@given(
    here=st.lists(st.text(max_size=4), min_size=4, max_size=4),
    there=st.lists(st.text(max_size=4), min_size=4, max_size=4),
)
def test_no_two_places_look_the_same(here: list[str], there: list[str]) -> None:
    names = ("store", "scope", "record_id", "schema")
    first = AssociatedData(**dict(zip(names, here, strict=True)))
    second = AssociatedData(**dict(zip(names, there, strict=True)))
    assert (first.encoded() == second.encoded()) == (here == there)


def test_a_record_opens_with_no_other_key() -> None:
    with pytest.raises(UnreadableError, match="unknown_key"):
        DataKey(bytes(32)).open(GOLDEN, HOME)


def test_a_place_too_long_to_write_down_is_refused() -> None:
    place = AssociatedData(store="s", scope="t", record_id="x" * 65_536, schema="v")
    with pytest.raises(ValueError, match="65535"):
        DataKey(SECRET).seal(b"", place)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_has_256_bits(size: int) -> None:
    """With 16 or 24 bytes, the cipher would silently be a weaker one."""
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey(bytes(size))


def test_nonces_do_not_repeat() -> None:
    key = DataKey(SECRET)
    sealed = [key.seal(b"", HOME) for _ in range(20_000)]
    assert len({record[22:34] for record in sealed}) == 20_000


def test_a_key_prints_only_its_id() -> None:
    assert repr(DataKey(SECRET)) == "DataKey(25a752617257116952bff66d9f9514d9)"

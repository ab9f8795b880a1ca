"""Hashes and JSON of sealed decisions: the compiled module returns what Python does, byte for byte."""

import _hashlib
import os
import ssl
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import codec
from gnomon.compiled import load
from gnomon.events import SealedDecision
from gnomon.vault.decisions import python_published
from gnomon.vault.tamper.lists import (
    packed_ids,
    packed_row_ids,
    python_record_hashes,
    python_same_hour,
    unpacked_ids,
)

sealed_rows = load("gnomon.vault.compiled.sealed_rows")
digest = load("gnomon.vault.compiled.digest")
built = pytest.mark.skipif(
    sealed_rows is None, reason="gnomon was not compiled here: pip install says why"
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INTEGERS = st.integers(-(2**63), 2**63 - 1)


def row(**fields: object) -> SealedDecision:
    usual = {
        "decision_id": "0123456789abcdef" * 2,
        "key_id": "f" * 32,
        "sealed": b"sealed",
        "status": "matched",
        "started_at_ms": 1,
        "ended_at_ms": 2,
        "scope": "default",
    }
    return SealedDecision(**{**usual, **fields})  # type: ignore[arg-type]


rows = st.builds(
    row,
    decision_id=TEXT,
    key_id=TEXT,
    sealed=st.binary(max_size=300),
    status=st.sampled_from(["matched", "expired", "cancelled"]),
    started_at_ms=INTEGERS,
    ended_at_ms=INTEGERS,
    scope=TEXT,
)


@pytest.mark.skipif(
    os.environ.get("GNOMON_PURE_PYTHON") == "1"
    or find_spec("gnomon.vault.compiled.sealed_rows") is None,
    reason="gnomon was not compiled here: pip install says why",
)
def test_what_was_compiled_is_used() -> None:
    """Else every other test would be skipped when the module cannot be imported."""
    assert sealed_rows is not None


@built
@given(st.lists(rows, max_size=5))
def test_the_compiled_hashes_and_records_are_those_of_python(given: list[SealedDecision]) -> None:
    assert sealed_rows.record_hashes(given) == python_record_hashes(given)
    assert sealed_rows.published(given) == python_published(given)


@built
def test_openssl_is_called_where_it_can_be() -> None:
    """Else the test above would compare ``hashlib`` with itself."""
    if ssl.OPENSSL_VERSION_INFO < (3,) or getattr(_hashlib, "__file__", None) is None:
        pytest.skip("this Python has no OpenSSL 3 that other modules can call")
    assert digest.uses_openssl()


@built
@given(st.lists(rows, max_size=5))
def test_the_hashes_are_the_same_where_openssl_cannot_be_called(
    given: list[SealedDecision],
) -> None:
    digest.use_hashlib()
    try:
        assert not digest.uses_openssl()
        assert sealed_rows.record_hashes(given) == python_record_hashes(given)
    finally:
        digest.use_openssl()


@built
def test_hashes_of_rows_of_all_sizes() -> None:
    sizes = [0, 1, 55, 56, 64, 119, 1_000, 65_535, 3, 2]
    given = [
        row(decision_id="x" * n, scope="é" * (n // 2), sealed=b"\x00" * (n * each))
        for n in sizes
        for each in (0, 1, 20)
    ]
    assert sealed_rows.record_hashes(given) == python_record_hashes(given)


@built
@given(st.lists(INTEGERS | st.integers(-3_600_001, 7_200_000) | st.just(2**63), max_size=3))
def test_the_compiled_hour_is_that_of_python(ends: list[int]) -> None:
    given = [row(ended_at_ms=ended_at_ms) for ended_at_ms in ends]
    expected = python_same_hour(given) if max(ends, default=0) < 2**63 else None
    assert sealed_rows.same_hour(given) == expected


NEARLY_HEX = st.text("0123456789abcdefAg\xe9", min_size=31, max_size=33)
"""Ids as gnomon makes them, and such as look like them."""


@given(
    st.lists(st.binary(min_size=16, max_size=16).map(bytes.hex), max_size=4),
    st.lists(NEARLY_HEX | TEXT, max_size=1),
)
def test_ids_of_rows_are_packed_as_ids_are(usual: list[str], other: list[str]) -> None:
    ids = [*usual, *other, *usual]
    packed = packed_row_ids([row(decision_id=name) for name in ids])
    assert packed == packed_ids(ids)
    assert unpacked_ids(packed) == ids


@built
def test_every_length_of_sealed_bytes_is_encoded() -> None:
    every = bytes(range(256)) * 6
    given = [row(sealed=every[at : at + n]) for n in range(70) for at in range(0, 1_400, 97)]
    for _, value in sealed_rows.published(given):
        assert codec.encode(codec.decode_sealed_decision(value)) == value
    assert sealed_rows.published(given) == python_published(given)


@built
@pytest.mark.parametrize("text", ['"', "\\", "\x1f", "\x7f", "\x00", "é", "😀", "~", " "])
@pytest.mark.parametrize("field", ["decision_id", "key_id", "scope"])
def test_texts_that_need_escapes(field: str, text: str) -> None:
    given = [row(**{field: f"a{text}"})]
    assert sealed_rows.published(given) == python_published(given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "unheard of"},
        {"started_at_ms": 2**63},
        {"ended_at_ms": -(2**63) - 1},
        {"decision_id": "x" * 65_536},
        {"key_id": "x" * 65_536},
        {"scope": "é" * 32_768},
    ],
)
@pytest.mark.parametrize("form", ["python", "compiled"])
def test_a_row_with_other_fields_has_no_hash(wrong: dict[str, object], form: str) -> None:
    if form == "compiled" and sealed_rows is None:
        pytest.skip("gnomon was not compiled here: pip install says why")
    record_hashes = python_record_hashes if form == "python" else sealed_rows.record_hashes
    with pytest.raises(ValueError, match="no decision has such fields"):
        record_hashes([row(), row(**wrong)])


@built
@pytest.mark.parametrize(
    "missing",
    [
        ("status", "key_id", "scope"),
        ("status",),
        ("key_id",),
        ("scope",),
        ("decision_id",),
        ("sealed",),
    ],
)
def test_rows_without_fields_have_no_hash(missing: tuple[str, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        sealed_rows.record_hashes([row(**dict.fromkeys(missing))])


@built
def test_a_row_without_ciphertext_is_published_as_python_does() -> None:
    given = [row(sealed=None)]
    assert sealed_rows.published(given) == python_published(given)


@built
def test_hashes_of_rows_that_differ_in_what_most_rows_share() -> None:
    statuses = ("matched", "expired", "cancelled")
    given = [
        row(status=status, key_id=key_id, scope=scope)
        for status in statuses
        for key_id in ("a" * 32, "b" * 32)
        for scope in ("one", "other")
    ]
    assert sealed_rows.record_hashes(given) == python_record_hashes(given)

"""Tests of sealing and opening decisions, and of the unencrypted fields beside them."""

import msgspec
import pytest
from hypothesis import given
from tests.support.decisions import MemoryRows, a_decision, decisions
from tests.unit.vault.leaks import frames_of_gnomon

from gnomon import codec
from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.events import Comparison
from gnomon.vault import (
    KeyEncryptionKey,
    KeyRing,
    check_key,
    open_decision,
    seal_bytes,
    seal_decision,
)

KEK = KeyEncryptionKey(bytes(range(64, 96)))
RING = KeyRing(KEK, MemoryRows())
MARKER = "payroll-of-the-board"


@given(decision=decisions)
def test_a_decision_comes_back_as_it_went_in(decision: Comparison) -> None:
    sealed = seal_decision(RING, decision)
    assert open_decision(RING, sealed) == decision


def test_only_ids_times_and_status_are_readable() -> None:
    sealed = seal_decision(RING, a_decision(7, note=MARKER))
    line = codec.encode(sealed)
    assert MARKER.encode() not in line
    assert MARKER.encode() not in sealed.sealed
    assert b"agent-7" not in line
    assert (sealed.decision_id, sealed.status) == ("d-00007", "matched")
    assert (sealed.started_at_ms, sealed.ended_at_ms) == (1_759_999_910_007, 1_760_000_000_007)


def test_json_sealed_as_it_came_opens_like_a_decision() -> None:
    decision = a_decision()
    key_id, sealed = seal_bytes(RING, decision_id="d-00000", plain=codec.encode(decision))
    row = msgspec.structs.replace(seal_decision(RING, decision), key_id=key_id, sealed=sealed)
    assert open_decision(RING, row) == decision


@pytest.mark.parametrize(
    "changed",
    [
        {"decision_id": "d-00008"},
        {"status": "expired"},
        {"started_at_ms": 0},
        {"ended_at_ms": 1_760_000_000_008},
        {"key_id": "0" * 32},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_column_is_found_out(changed: dict[str, object]) -> None:
    sealed = seal_decision(RING, a_decision(7, note=MARKER))
    with pytest.raises(UnreadableError) as refused:
        open_decision(RING, msgspec.structs.replace(sealed, **changed))
    assert refused.value.reason == "tampered"
    assert MARKER not in frames_of_gnomon(refused.value)


@pytest.mark.parametrize("plain", [b"", b"{}", b'{"note":"payroll-of-the-board"}', b"\xff"])
def test_sealed_bytes_that_are_no_decision_are_refused(plain: bytes) -> None:
    key_id, sealed = seal_bytes(RING, decision_id="d-00000", plain=plain)
    row = msgspec.structs.replace(seal_decision(RING, a_decision()), key_id=key_id, sealed=sealed)
    with pytest.raises(UnreadableError) as refused:
        open_decision(RING, row)
    assert refused.value.reason == "tampered"
    assert MARKER not in frames_of_gnomon(refused.value)


def test_the_sealed_bytes_of_two_decisions_cannot_be_exchanged() -> None:
    one, other = (seal_decision(RING, a_decision(n)) for n in (1, 2))
    with pytest.raises(UnreadableError, match="tampered"):
        open_decision(RING, msgspec.structs.replace(one, sealed=other.sealed, key_id=other.key_id))


class MemoryCanary:
    def __init__(self, kept: bytes | None = None, *, late: bool = False) -> None:
        self.kept, self.late = kept, late

    def get(self) -> bytes | None:
        return None if self.late else self.kept

    def put_if_absent(self, sealed: bytes) -> bytes:
        self.kept = self.kept or sealed
        return self.kept


def test_the_first_use_seals_a_canary_that_later_ones_open() -> None:
    rows, canary = MemoryRows(), MemoryCanary()
    check_key(KeyRing(KEK, rows), canary)
    first = canary.kept
    check_key(KeyRing(KEK, rows), canary)
    assert canary.kept == first
    assert len(rows.rows) == 1


@pytest.mark.parametrize("late", [False, True], ids=["stored before", "stored meanwhile"])
def test_another_key_does_not_open_this_store(*, late: bool) -> None:
    rows, canary = MemoryRows(), MemoryCanary()
    check_key(KeyRing(KEK, rows), canary)
    other = KeyRing(KeyEncryptionKey(bytes(32)), rows)
    with pytest.raises(KeyUnavailableError, match="this key does not open this store"):
        check_key(other, MemoryCanary(canary.kept, late=late))


def test_a_damaged_canary_stops_the_start() -> None:
    with pytest.raises(KeyUnavailableError, match="bad_header"):
        check_key(KeyRing(KEK, MemoryRows()), MemoryCanary(b"damaged"))

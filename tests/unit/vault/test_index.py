"""Tests of the hashes that stand for ids: equal ids, equal hashes, and the same in every process."""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import MemoryRows

from gnomon.vault import IdHash, KeyEncryptionKey, KeyRing
from gnomon.vault.envelope import DataKey
from gnomon.vault.index import in_clear, word_for

SECRET = bytes(range(32))


class MemoryKids:
    """Ids of index keys in a dictionary."""

    def __init__(self) -> None:
        self.kids: dict[str, str] = {}

    def get(self, scope: str) -> str | None:
        return self.kids.get(scope)

    def put(self, scope: str, kid: str, *, instead_of: str | None) -> str:
        if self.kids.get(scope) == instead_of:
            self.kids[scope] = kid
        return self.kids[scope]


def ring(rows: MemoryRows) -> KeyRing:
    return KeyRing(KeyEncryptionKey(SECRET), rows)


@given(st.binary(max_size=100))
def test_it_is_an_hmac_under_a_derived_key(value: bytes) -> None:
    key = HKDFExpand(algorithm=SHA256(), length=32, info=b"gnomon/index-key/v1").derive(SECRET)
    expected = hmac.digest(key, value, "sha256")[:8]
    assert DataKey(SECRET).keyed_hash(value) == expected


def test_every_process_gives_an_id_the_same_hash() -> None:
    rows, kids = MemoryRows(), MemoryKids()
    one, other = IdHash(ring(rows), kids), IdHash(ring(rows), kids)
    assert one("agent-7") == other("agent-7") == one("agent-7")
    assert one("agent-7") != one("agent-8")
    assert len(rows.rows) == 1
    int(one("agent-7"), 16)
    assert len(one("agent-7")) == 16


def test_scopes_hash_differently() -> None:
    rows, kids = MemoryRows(), MemoryKids()
    assert IdHash(ring(rows), kids, scope="a")("x") != IdHash(ring(rows), kids, scope="b")("x")


def test_who_comes_second_takes_the_key_of_the_first() -> None:
    """Both have looked before either had stored its key."""

    class LateKids(MemoryKids):
        def get(self, scope: str) -> str | None:
            return None

    rows, kids = MemoryRows(), LateKids()
    assert IdHash(ring(rows), kids)("x") == IdHash(ring(rows), kids)("x")


def test_a_lost_key_is_replaced() -> None:
    rows, kids = MemoryRows(), MemoryKids()
    before = IdHash(ring(rows), kids)("x")
    rows.rows.clear()
    after = IdHash(ring(rows), kids)("x")
    assert after != before
    assert IdHash(ring(rows), kids)("x") == after


def test_ids_in_clear_fit_into_every_store() -> None:
    word = word_for("clear", ring(MemoryRows()), MemoryKids())
    assert word("agent-7") == "agent-7"
    assert in_clear("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(in_clear("\N{WATER WAVE}" * 10_000)) == 200

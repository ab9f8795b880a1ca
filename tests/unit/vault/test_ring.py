"""Tests of the key ring: each process has its own key, stores it before use, and replaces it in time."""

import dataclasses
import os
import signal
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.decisions import MemoryRows
from tests.unit.vault.leaks import frames_of_gnomon, shows

from gnomon.errors import StoreUnavailableError, UnreadableError
from gnomon.vault import KeyEncryptionKey, KeyRing, KeyRow, Limits

KEK = KeyEncryptionKey(bytes(range(64, 96)))
HOUR_MS = 3_600_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_760_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def seal(ring: KeyRing, plain: bytes = b"plain") -> tuple[str, bytes]:
    return ring.seal(plain, record_id="d-1", schema="comparison.v1")


def opened(ring: KeyRing, sealed: bytes) -> bytes:
    return ring.open(sealed, record_id="d-1", schema="comparison.v1")


def test_another_process_with_the_same_rows_opens_it() -> None:
    rows = MemoryRows()
    key_id, sealed = seal(KeyRing(KEK, rows))
    assert opened(KeyRing(KEK, rows), sealed) == b"plain"
    assert list(rows.rows) == [key_id]
    assert sealed[6:22].hex() == key_id


def test_a_loaded_key_never_seals() -> None:
    """Two processes with one key could use the same nonce twice."""
    rows = MemoryRows()
    key_id, sealed = seal(KeyRing(KEK, rows))
    other = KeyRing(KEK, rows)
    opened(other, sealed)
    assert seal(other)[0] != key_id


def test_the_row_is_stored_before_anything_is_sealed() -> None:
    rows = MemoryRows()
    seen: list[str] = []

    def random(size: int) -> bytes:
        if size == 12 and rows.rows:
            seen.append("nonce after the row")
        return os.urandom(size)

    seal(KeyRing(KEK, rows, random=random))
    assert seen == ["nonce after the row"]


def test_nothing_is_sealed_while_the_row_cannot_be_stored() -> None:
    class Down(MemoryRows):
        down = True

        def put(self, row: KeyRow) -> None:
            if self.down:
                raise StoreUnavailableError("down")
            super().put(row)

    rows, secrets = Down(), []

    def random(size: int) -> bytes:
        secrets.append(os.urandom(size))
        return secrets[-1]

    ring = KeyRing(KEK, rows, random=random)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError) as refused:
            seal(ring)
        shown = frames_of_gnomon(refused.value)
        assert not any(shows(shown, secret) for secret in secrets if len(secret) == 32)
    rows.down = False
    key_id, _ = seal(ring)
    assert list(rows.rows) == [key_id]


def test_a_key_seals_so_many_messages() -> None:
    ring = KeyRing(KEK, MemoryRows(), limits=Limits(messages=8))
    ids = [seal(ring)[0] for _ in range(24)]
    assert [len(set(ids[i : i + 8])) for i in (0, 8, 16)] == [1, 1, 1]
    assert len(set(ids)) == 3


def test_a_key_seals_so_many_bytes() -> None:
    ring = KeyRing(KEK, MemoryRows(), limits=Limits(plain_bytes=100))
    ids = [seal(ring, bytes(size))[0] for size in (60, 40, 1, 99, 1, 500, 1)]
    assert [ids.index(i) for i in ids] == [0, 0, 2, 2, 4, 5, 6]


@pytest.mark.parametrize(("later_ms", "same"), [(HOUR_MS - 1, True), (HOUR_MS, False), (-1, False)])
def test_a_key_seals_for_an_hour_and_a_clock_set_back_ends_it(later_ms: int, same: bool) -> None:  # noqa: FBT001  a table's column
    clock = Clock()
    ring = KeyRing(KEK, MemoryRows(), clock_ms=clock)
    first = seal(ring)[0]
    clock.now_ms += later_ms
    assert (seal(ring)[0] == first) is same


def test_a_batch_is_sealed_as_its_records_would_be_one_by_one() -> None:
    rows = MemoryRows()
    ring = KeyRing(KEK, rows)
    plains, names = [b"", b"one", b"two" * 999], ["d-1", "d-\N{SNOWMAN}", "x" * 65_535]
    sealed = ring.seal_all(plains, record_ids=names, schema="comparison.v1", scope="team-b")
    assert {key_id for key_id, _ in sealed} == set(rows.rows)
    assert len({record[22:34] for _, record in sealed}) == 3
    other = KeyRing(KEK, rows)
    opened = [
        other.open(record, record_id=name, schema="comparison.v1", scope="team-b")
        for name, (_, record) in zip(names, sealed, strict=True)
    ]
    assert opened == plains
    assert ring.seal_all([], record_ids=[], schema="comparison.v1") == []
    with pytest.raises(ValueError, match="65535"):
        ring.seal_all([b""], record_ids=["x" * 65_536], schema="comparison.v1")


@pytest.mark.parametrize(
    ("limits", "keys"),
    [
        (Limits(messages=6), 2),  # the second batch does not fit into what is left of the first key
        (Limits(messages=8), 1),
        (Limits(messages=3), 3),  # less than a batch: one by one
        (Limits(plain_bytes=30), 2),
        (Limits(plain_bytes=40), 1),
        (Limits(plain_bytes=15), 3),
    ],
    ids=str,
)
def test_no_batch_makes_a_key_exceed_its_limits(limits: Limits, keys: int) -> None:
    ring = KeyRing(KEK, MemoryRows(), limits=limits)
    made = [
        key_id
        for _ in range(2)
        for key_id, _ in ring.seal_all(
            [b"five5"] * 4, record_ids=list("abcd"), schema="comparison.v1"
        )
    ]
    assert len(set(made)) == keys
    assert max(map(made.count, made)) <= min(limits.messages, limits.plain_bytes // 5)


@pytest.mark.parametrize(("later_ms", "opens"), [(59_999, True), (60_000, False), (-1, False)])
def test_a_key_that_was_destroyed_opens_for_less_than_a_minute(later_ms: int, opens: bool) -> None:  # noqa: FBT001  a table's column
    clock, rows = Clock(), MemoryRows()
    ring = KeyRing(KEK, rows, clock_ms=clock)
    key_id, sealed = seal(ring)
    assert opened(ring, sealed) == b"plain"
    rows.rows[key_id] = dataclasses.replace(rows.rows[key_id], state="shredded", wrapped=b"")
    clock.now_ms += later_ms
    assert (seal(ring)[0] == key_id) is opens
    if opens:
        assert opened(ring, sealed) == b"plain"
        return
    with pytest.raises(UnreadableError, match="shredded"):
        opened(ring, sealed)


def test_while_nobody_can_say_whether_a_key_was_destroyed_it_is_used() -> None:
    class Away(MemoryRows):
        def shredded_among(self, key_ids: Collection[str]) -> Collection[str]:
            raise StoreUnavailableError("away")

    clock = Clock()
    ring = KeyRing(KEK, Away(), clock_ms=clock)
    key_id, sealed = seal(ring)
    clock.now_ms += 120_000
    assert opened(ring, sealed) == b"plain"
    assert seal(ring)[0] == key_id


def test_the_limits_are_those_that_are_written_down() -> None:
    assert Limits() == Limits(messages=4_194_304, plain_bytes=68_719_476_736, age_ms=3_600_000)


def test_what_spent_keys_sealed_still_opens() -> None:
    rows = MemoryRows()
    ring = KeyRing(KEK, rows, limits=Limits(messages=1))
    sealed = [seal(ring, b"%d" % i)[1] for i in range(20)]
    assert [opened(ring, record) for record in sealed] == [b"%d" % i for i in range(20)]
    assert len(rows.rows) == 20


def test_opening_keeps_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.vault.opening._MOST_KEPT", 3)
    asked: list[str] = []

    class Counted(MemoryRows):
        def get(self, kid: str) -> KeyRow | None:
            asked.append(kid)
            return super().get(kid)

    ring = KeyRing(KEK, Counted(), limits=Limits(messages=1))
    sealed = [seal(ring)[1] for _ in range(4)]
    for record in [*sealed, sealed[3], sealed[0]]:
        opened(ring, record)
    assert [asked.index(kid) for kid in asked] == [0, 1, 2, 3, 0]


def test_a_forked_child_seals_with_a_key_of_its_own() -> None:
    ring = KeyRing(KEK, MemoryRows())
    parent = seal(ring)[0]
    reader, writer = os.pipe()
    ring._lock.acquire()  # as another thread of the parent may at that instant
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a lock taken over from the parent would never be released
        try:
            os.write(writer, seal(ring)[0].encode())
        finally:
            os._exit(0)
    ring._lock.release()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        childs = pipe.read()
    os.waitpid(child, 0)
    assert len(childs) == 32
    assert childs != parent
    assert seal(ring)[0] == parent


def test_of_a_million_nonces_none_repeats() -> None:
    ring = KeyRing(KEK, MemoryRows())
    names = [""] * 5_000
    seen: set[bytes] = set()
    for _ in range(200):
        sealed = ring.seal_all([b""] * 5_000, record_ids=names, schema="comparison.v1")
        seen.update(record[22:34] for _, record in sealed)
    assert len(seen) == 1_000_000


def test_threads_share_a_key_and_its_limit() -> None:
    rows = MemoryRows()
    ring = KeyRing(KEK, rows, limits=Limits(messages=500))
    barrier = threading.Barrier(4)

    def work(_: int) -> list[bytes]:
        barrier.wait()
        return [seal(ring)[1] for _ in range(1_000)]

    with ThreadPoolExecutor(4) as pool:
        sealed = [record for records in pool.map(work, range(4)) for record in records]
    assert len(rows.rows) == 8
    by_key = [record[6:22] for record in sealed]
    assert {by_key.count(key) for key in set(by_key)} == {500}
    assert len({record[22:34] for record in sealed}) == 4_000


@pytest.mark.parametrize(
    ("store", "scope", "reason"),
    [("decisions", "team-b", "unknown_key"), ("archive", "default", "tampered")],
)
def test_a_ring_opens_only_its_own_store_and_scope(store: str, scope: str, reason: str) -> None:
    rows = MemoryRows()
    _, sealed = seal(KeyRing(KEK, rows))
    with pytest.raises(UnreadableError) as refused:
        opened(KeyRing(KEK, rows, store=store, scope=scope), sealed)
    assert refused.value.reason == reason


def test_a_key_whose_row_is_gone_is_unknown() -> None:
    _, sealed = seal(KeyRing(KEK, MemoryRows()))
    with pytest.raises(UnreadableError) as refused:
        opened(KeyRing(KEK, MemoryRows()), sealed)
    assert refused.value.reason == "unknown_key"


def test_a_row_moved_to_another_scope_opens_nothing() -> None:
    rows = MemoryRows()
    key_id, sealed = seal(KeyRing(KEK, rows))
    rows.rows[key_id] = dataclasses.replace(rows.rows[key_id], scope="team-b")
    for scope in ("default", "team-b"):
        with pytest.raises(UnreadableError):
            opened(KeyRing(KEK, rows, scope=scope), sealed)


def test_a_ring_prints_only_ids() -> None:
    ring = KeyRing(KEK, MemoryRows())
    seal(ring)
    assert repr(ring) == (
        "KeyRing(KeyEncryptionKey(fd1fe7ab1ca703a2d7cac77d0ad90316), scope='default')"
    )

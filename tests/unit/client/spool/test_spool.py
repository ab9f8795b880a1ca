"""The spool in one process loses nothing it took, stays bounded, and is adopted once."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.client.spooled import MIB, die, drain, read, some

from gnomon.client.delivery.ports import Spool
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.spool"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[FileSpool]:
    made = FileSpool(tmp_path / "spool", max_bytes=MIB, segment_bytes=400)
    yield made
    made.close()


class Model(RuleBasedStateMachine):
    """Compares the spool with a list of the unsettled records, over crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(os.environ["SPOOL_MODEL"]) / os.urandom(8).hex()
        self.spool = FileSpool(self.folder, max_bytes=MIB, segment_bytes=150)
        self.waiting: list[Record] = []
        self.number = 0

    @rule(count=st.integers(0, 8), size=st.integers(8, 120))
    def append(self, count: int, size: int) -> None:
        values = some(count, first=self.number, size=size)
        self.number += count
        assert self.spool.append(values) == count
        self.waiting += values

    @rule(max_events=st.integers(1, 9))
    def read_only(self, max_events: int) -> None:
        found = read(self.spool, max_events)
        assert found == self.waiting[: len(found)]
        assert bool(found) is bool(self.waiting)
        assert len(found) <= max_events

    @rule(max_events=st.integers(1, 9), part=st.floats(0, 1))
    def read_and_settle(self, max_events: int, part: float) -> None:
        found = self.spool.read(max_events)
        if found:
            upto = int(part * (len(found) - 1))
            self.spool.settle(found[upto][0])
            del self.waiting[: upto + 1]

    @rule()
    def sync(self) -> None:
        self.spool.sync()

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:  # noqa: FBT001  hypothesis calls it by name
        if orderly:
            self.spool.close()
        else:
            die(self.spool)
        self.spool = FileSpool(self.folder, max_bytes=MIB, segment_bytes=150)

    @invariant()
    def what_is_pending_is_known(self) -> None:
        assert bool(self.spool.pending()) is bool(self.waiting)
        assert self.spool.pending() <= len(self.waiting)

    def teardown(self) -> None:
        assert drain(self.spool) == self.waiting
        counts = self.spool.counts()
        self.spool.close()
        assert counts == (0, 0, 0, 0)
        assert not self.folder.exists() or list(self.folder.iterdir()) == []


@pytest.mark.parametrize("read_at_once", [131_072, 50])
def test_the_spool_is_a_list_that_outlives_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_at_once: int
) -> None:
    monkeypatch.setattr("gnomon.client.spool.files.LOAD_BYTES", read_at_once)
    monkeypatch.setenv("SPOOL_MODEL", str(tmp_path))
    Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    Model.TestCase().runTest()


def test_a_file_spool_fits_the_protocol_of_the_delivery(spool: FileSpool) -> None:
    asked: Spool = spool
    assert asked.pending() == 0


def test_the_constructor_does_not_touch_the_disk(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool", max_bytes=MIB)
    assert (spool.pending(), list(spool.read(5))) == (0, [])
    spool.sync()
    spool.close()
    assert not (tmp_path / "spool").exists()


def test_only_its_owner_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        spool = FileSpool(tmp_path / "spool", max_bytes=MIB)
        assert spool.append(some(3)) == 3
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    files = list((tmp_path / "spool").iterdir())
    assert {path.suffix for path in files} == {".owner", ".spool"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    spool.close()


def test_segments_are_bounded_and_deleted_when_they_are_settled(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=400)
    assert spool.append(some(100, size=41)) == 100  # each takes 64 bytes on the disk
    sizes = [path.stat().st_size for path in tmp_path.glob("*.spool")]
    assert sum(sizes) == 6_400
    assert max(sizes) < 464

    for left in range(99, -1, -1):
        spool.settle(spool.read(1)[0][0])
        assert spool.pending() == left
        assert bytes_of(tmp_path) < left * 64 + 464
    assert bytes_of(tmp_path) == 0
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_restart_goes_on_at_the_position_of_the_last_process(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, max_bytes=MIB)
    spool.append(some(10))
    spool.settle(spool.read(4)[-1][0])
    die(spool)

    later = FileSpool(tmp_path, max_bytes=MIB)
    assert drain(later) == some(10)[4:]
    later.close()


def test_a_lost_position_brings_all_again(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, max_bytes=MIB)
    spool.append(some(10))
    spool.settle(spool.read(4)[-1][0])
    die(spool)
    (owner,) = tmp_path.glob("*.owner")
    owner.unlink()

    later = FileSpool(tmp_path, max_bytes=MIB)
    assert drain(later) == some(10)
    later.close()
    assert list(tmp_path.iterdir()) == []


def test_settling_twice_or_what_is_unknown_changes_nothing(spool: FileSpool) -> None:
    spool.append(some(10))
    first, _, third = (position for position, _ in spool.read(3))
    spool.settle(third)
    spool.settle(first)
    spool.settle(third._replace(file="nobody's"))
    assert (read(spool), spool.pending()) == (some(10)[3:], 7)


def test_records_of_dead_processes_come_before_our_own_and_oldest_first(tmp_path: Path) -> None:
    expected: list[Record] = []
    clock = iter(range(1_760_000_000_000_000_000, 1_770_000_000_000_000_000, 10**13))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time_ns", lambda: next(clock))
        for number in range(12):
            dead = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=200)
            # None of them looks for the others' files: each begins as if alone.
            dead._dead._next_look_s = float("inf")
            values = some(5, first=100 * number)
            dead.append(values)
            expected += values
            die(dead)
        ours = FileSpool(tmp_path, max_bytes=MIB)
        ours.append(some(2, first=9_000))

    assert ours.pending() > 2
    assert drain(ours) == expected + some(2, first=9_000)
    ours.close()
    assert list(tmp_path.iterdir()) == []


def test_living_processes_keep_their_files_and_dead_ones_are_adopted_once(tmp_path: Path) -> None:
    now = [0.0]
    first, second, third = (
        FileSpool(tmp_path, max_bytes=MIB, clock_s=lambda: now[0]) for _ in range(3)
    )
    for number, spool in enumerate((first, second, third)):
        spool.append(some(4, first=10 * number))
    assert [read(spool) for spool in (first, second, third)] == [
        some(4, first=0),
        some(4, first=10),
        some(4, first=20),
    ]

    die(first)
    now[0] += 29.0
    assert read(second) == some(4, first=10)  # it does not look for dead processes at every read
    now[0] += 1.5
    assert read(second) == some(4, first=0)
    assert read(third) == some(4, first=20)
    die(second)  # before it has settled any of it
    now[0] += 30.5
    assert drain(third) == some(4, first=0) + some(4, first=10) + some(4, first=20)
    third.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_refuses_the_newest(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, max_bytes=10_000)
    assert spool.append(some(200, size=77)) == 100  # each takes 100 bytes on the disk
    assert spool.append(some(1, size=1)) == 0
    assert bytes_of(tmp_path) == 10_000
    assert spool.counts().refused == 101
    assert spool.last_error is None

    position, _ = spool.read(25)[-1]  # the first segment: a quarter of the folder
    spool.settle(position)
    assert spool.append(some(200, first=300, size=77)) == 25
    assert bytes_of(tmp_path) == 10_000
    assert drain(spool) == some(100, size=77)[25:] + some(25, first=300, size=77)
    spool.close()


def test_the_limit_is_for_the_whole_folder(tmp_path: Path) -> None:
    one, other = (FileSpool(tmp_path, max_bytes=10_000) for _ in range(2))
    assert one.append(some(60, size=77)) == 60
    assert other.append(some(60, size=77)) == 40
    one.close()
    other.close()


def test_a_record_larger_than_a_segment_has_one_to_itself(spool: FileSpool) -> None:
    values = [*some(2), Record(b"k", b"x" * 5_000), *some(2)]
    assert spool.append(values) == 5
    assert drain(spool) == values


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    others = ["readme.txt", "018f-1-ab.00000000.v2.spool", "018f-1-ab.v2.owner", "x.v1.spool"]
    for name in others:
        (tmp_path / name).write_bytes(b"something")
    spool = FileSpool(tmp_path, max_bytes=MIB)
    spool.append(some(2))
    assert drain(spool) == some(2)
    spool.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)

"""The spool in one process: nothing taken is lost, nothing raises, the folder stays bounded."""

import os
import resource
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gnomon.client.buffer import Record
from gnomon.client.delivery import Spool
from gnomon.client.spool import FileSpool

MIB = 1 << 20


def some(count: int, *, first: int = 0, size: int = 20) -> list[Record]:
    numbers = range(first, first + count)
    return [Record(f"agent-{n % 3}".encode(), str(n).encode().ljust(size, b".")) for n in numbers]


def read(spool: Spool, max_events: int = 1_000) -> list[Record]:
    return [record for _, record in spool.read(max_events)]


def drain(spool: Spool, max_events: int = 7) -> list[Record]:
    """Read and settle until there is nothing left."""
    found: list[Record] = []
    while batch := spool.read(max_events):
        found += [record for _, record in batch]
        spool.settle(batch[-1][0])
    assert spool.pending() == 0
    return found


def die(spool: FileSpool) -> None:
    """What the kernel does when a process is killed: its files are closed, no more."""
    for files in (spool._mine, spool._dead):
        if files is not None:
            files.release()
    spool._begin()


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.spool"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[FileSpool]:
    made = FileSpool(tmp_path / "spool", max_bytes=MIB, segment_bytes=400)
    yield made
    made.close()


class Model(RuleBasedStateMachine):
    """The spool against a list of what was appended and not settled, over crashes."""

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
    monkeypatch.setattr("gnomon.client.spool_files.LOAD_BYTES", read_at_once)
    monkeypatch.setenv("SPOOL_MODEL", str(tmp_path))
    Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    Model.TestCase().runTest()


def test_it_is_what_the_clients_delivery_asks_for(spool: FileSpool) -> None:
    asked: Spool = spool
    assert asked.pending() == 0


def test_making_one_touches_no_disk(tmp_path: Path) -> None:
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


def test_segments_are_bounded_and_go_when_they_are_settled(tmp_path: Path) -> None:
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


def test_a_restart_goes_on_where_the_last_process_was(tmp_path: Path) -> None:
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


def test_what_a_dead_process_left_comes_before_our_own_and_the_oldest_first(tmp_path: Path) -> None:
    expected: list[Record] = []
    clock = iter(range(1_760_000_000_000_000_000, 1_770_000_000_000_000_000, 10**13))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time_ns", lambda: next(clock))
        for number in range(12):
            dead = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=200)
            # None of them looks for the others: each begins as if alone.
            dead._look_again_s = float("inf")
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


def test_the_living_are_left_alone_and_the_dead_have_one_heir(tmp_path: Path) -> None:
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
    assert read(second) == some(4, first=10)  # it does not look at every read
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
    assert spool.trouble is None

    position, _ = spool.read(25)[-1]  # the first segment: a quarter of the folder
    spool.settle(position)
    assert spool.append(some(200, first=300, size=77)) == 25
    assert bytes_of(tmp_path) == 10_000
    assert drain(spool) == some(100, size=77)[25:] + some(25, first=300, size=77)
    spool.close()


def test_the_bound_is_of_the_whole_folder(tmp_path: Path) -> None:
    one, other = (FileSpool(tmp_path, max_bytes=10_000) for _ in range(2))
    assert one.append(some(60, size=77)) == 60
    assert other.append(some(60, size=77)) == 40
    one.close()
    other.close()


def test_a_record_larger_than_a_segment_has_one_to_itself(spool: FileSpool) -> None:
    values = [*some(2), Record(b"k", b"x" * 5_000), *some(2)]
    assert spool.append(values) == 5
    assert drain(spool) == values


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_any_flipped_byte_in_any_file_costs_one_record_at_most(tmp_path: Path, flip: int) -> None:
    whole = FileSpool(tmp_path / "whole", max_bytes=MIB, segment_bytes=120)
    whole.append(some(8))
    whole.settle(whole.read(1)[0][0])
    die(whole)
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}

    for name, data in files.items():
        for place in range(len(data)):
            folder = tmp_path / f"{name}-{place}"
            lay_out(folder, {**files, name: _flipped(data, place, flip)})
            spool = FileSpool(folder, max_bytes=MIB)
            found = drain(spool)
            assert spool.counts().disk_errors == 0
            spool.close()
            missing = [record for record in some(8)[1:] if record not in found]
            if name.endswith(".owner"):
                assert (missing, len(found)) == ([], 8 if place < 20 else 7)
            else:
                assert len(missing) <= 1
                assert found == [record for record in some(8)[-len(found) - 1 :] if record in found]
            assert list(folder.iterdir()) == []


def _flipped(data: bytes, place: int, flip: int) -> bytes:
    return data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]


def test_any_cut_of_any_segment_costs_what_was_cut(tmp_path: Path) -> None:
    whole = FileSpool(tmp_path / "whole", max_bytes=MIB, segment_bytes=120)
    whole.append(some(8))
    die(whole)
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    size_of_one = 16 + 7 + 20

    for name, data in files.items():
        for length in range(len(data)):
            folder = tmp_path / f"{name}-{length}"
            lay_out(folder, {**files, name: data[:length]})
            spool = FileSpool(folder, max_bytes=MIB)
            cut = len(data) // size_of_one - length // size_of_one
            assert len(drain(spool)) == 8 - cut
            assert spool.counts() == (0, 0, 0, 0)
            spool.close()


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_what_is_none_of_ours_stays(tmp_path: Path) -> None:
    others = ["readme.txt", "018f-1-ab.00000000.v2.spool", "018f-1-ab.v2.owner", "x.v1.spool"]
    for name in others:
        (tmp_path / name).write_bytes(b"something")
    spool = FileSpool(tmp_path, max_bytes=MIB)
    spool.append(some(2))
    assert drain(spool) == some(2)
    spool.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_a_folder_that_vanishes_costs_what_was_in_it(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool", max_bytes=MIB)
    spool.append(some(5))
    empty(tmp_path / "spool")
    (tmp_path / "spool").rmdir()

    assert spool.append(some(3, first=50)) == 3
    assert drain(spool) == some(3, first=50)
    assert spool.counts().lost == 5
    spool.close()


@pytest.mark.parametrize("what", ["*.owner", "*.spool", "*"])
def test_files_that_vanish_raise_nothing(tmp_path: Path, what: str) -> None:
    spool = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=100)
    spool.append(some(20))
    position, _ = spool.read(2)[-1]
    empty(tmp_path, what)

    spool.settle(position)
    spool.sync()
    spool.append(some(5, first=50))
    assert drain(spool)[-5:] == some(5, first=50)
    spool.close()


def empty(folder: Path, what: str = "*") -> None:
    for path in folder.glob(what):
        path.unlink()


def test_a_folder_that_cannot_be_made_costs_a_count(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = FileSpool(tmp_path / "file" / "spool", max_bytes=MIB)
    assert spool.append(some(3)) == 0
    assert (list(spool.read(5)), spool.pending()) == ([], 0)
    spool.sync()
    spool.close()
    assert spool.counts().refused == 3
    assert spool.counts().disk_errors >= 1
    assert spool.trouble == "Not a directory"


def test_a_disk_that_takes_only_part_loses_none_of_what_was_taken(tmp_path: Path) -> None:
    """``RLIMIT_FSIZE`` makes the kernel end a write half-way, as a full disk does."""
    spool = FileSpool(tmp_path, max_bytes=MIB)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        taken = spool.append(some(500))
        none = spool.append([Record(b"k", b"x" * 2_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert taken == 500
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000
    assert none == 0
    assert spool.trouble == "No space left on device"
    assert spool.append(some(3, first=900)) == 3
    die(spool)

    later = FileSpool(tmp_path, max_bytes=MIB)
    assert drain(later) == some(taken) + some(3, first=900)
    assert later.counts().damaged == 0
    later.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_loses_none_of_what_was_taken(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path]).returncode:  # noqa: S603, S607, PLW1510
        pytest.skip("mounting a small tmpfs needs to be allowed")
    try:
        spool = FileSpool(tmp_path, max_bytes=MIB)
        taken = spool.append(some(2_000, size=77))
        assert 500 < taken < 656
        assert spool.append(some(1, first=5_000, size=77)) == 0
        assert spool.trouble == "No space left on device"
        spool.sync()
        assert drain(spool) == some(taken, size=77)
        assert spool.append(some(9, first=5_000)) == 9
        die(spool)
        later = FileSpool(tmp_path, max_bytes=MIB)
        assert drain(later) == some(9, first=5_000)
        later.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)  # noqa: S603, S607


class Disk:
    """Stands for system calls that fail with ``errno``, once or always."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, errno: int) -> None:
        self.calls = 0

        def failing(*_: object, **__: object) -> None:
            self.calls += 1
            raise OSError(errno, os.strerror(errno))

        patch.setattr(f"gnomon.client.spool_files.os.{call}", failing)


@pytest.mark.parametrize("errno", [5, 13, 28, 30])
@pytest.mark.parametrize("call", ["open", "pwrite", "fdatasync", "pread", "fstat", "fsync"])
def test_no_error_of_the_disk_gets_out(tmp_path: Path, call: str, errno: int) -> None:
    """EIO, EACCES, ENOSPC and EROFS, at any call."""
    dead = FileSpool(tmp_path, max_bytes=MIB)
    dead.append(some(3))
    die(dead)
    spool = FileSpool(tmp_path, max_bytes=MIB)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, call, errno)
        taken = _everything(spool, some(4, first=50))
        if disk.calls:
            assert spool.counts().disk_errors >= 1
            assert spool.trouble == os.strerror(errno)
    spool.close()

    later = FileSpool(tmp_path, max_bytes=MIB)
    left = drain(later)
    assert set(some(taken, first=50)) <= set(left)
    later.close()


def _everything(spool: FileSpool, values: Sequence[Record]) -> int:
    """Each method once; how many were taken. What is read is not settled."""
    spool.pending()
    taken = spool.append(values)
    spool.sync()
    spool.read(10)
    return taken


def test_a_segment_that_cannot_be_read_is_left_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=100)
    dead.append(some(9))
    die(dead)
    oldest = min(tmp_path.glob("*.spool"))
    rest = FileSpool(tmp_path, max_bytes=MIB)
    real = Path.open

    def opened(path: Path, *args: object, **kwargs: object) -> object:
        if path == oldest:
            raise OSError(5, "Input/output error")
        return real(path, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        assert drain(rest) == some(9)[3:]
        assert rest.trouble == "Input/output error"
    rest.close()

    later = FileSpool(tmp_path, max_bytes=MIB)
    assert drain(later) == some(9)[:3]
    later.close()
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_deleted_are_not_read_twice_by_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = FileSpool(tmp_path, max_bytes=MIB, segment_bytes=100)
    dead.append(some(9))
    die(dead)
    now_s = [0.0]
    spool = FileSpool(tmp_path, max_bytes=MIB, clock_s=lambda: now_s[0])

    def unlink(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        assert drain(spool) == some(9)
        now_s[0] += 100
        assert drain(spool) == []
        assert spool.trouble == "Read-only file system"
        spool.close()

"""Damaged or deleted files and errors of the disk are counted by the spool and never raised."""

import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.client.spooled import MIB, die, drain, some

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.overflow import Overflow
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool


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


def test_a_deleted_folder_costs_the_events_in_it(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool", max_bytes=MIB)
    spool.append(some(5))
    empty(tmp_path / "spool")
    (tmp_path / "spool").rmdir()

    assert spool.append(some(3, first=50)) == 3
    assert drain(spool) == some(3, first=50)
    assert spool.counts().lost == 5
    spool.close()


def test_deleted_events_are_failed_events_of_the_client(tmp_path: Path) -> None:
    """The counts still add up, and the end does not wait for the deleted events."""
    buffer = Buffer(max_events=100, max_bytes=MIB)
    spool = FileSpool(tmp_path, max_bytes=MIB)
    overflow = Overflow(spool, buffer, producer_id="ours")
    for record in some(9):
        assert buffer.offer(record)
    assert overflow.put(buffer.take(max_events=6, max_bytes=MIB))
    assert (buffer.stats().spooled, buffer.stats().buffered) == (6, 3)
    empty(tmp_path)

    assert list(overflow.next_chunk(0, 100)) == []
    stats = buffer.stats()
    assert (stats.spooled, stats.failed, stats.buffered) == (0, 6, 3)
    assert overflow.put(buffer.take(max_events=6, max_bytes=MIB))
    assert len(overflow.next_chunk(0, 100)) == 3
    assert (buffer.stats().spooled, buffer.stats().failed) == (3, 6)
    spool.close()


def test_a_relative_folder_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spool = FileSpool("spool", max_bytes=MIB)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert spool.append(some(3)) == 3
    assert len(list((tmp_path / "spool").glob("*.spool"))) == 1
    spool.close()


@pytest.mark.parametrize("what", ["*.owner", "*.spool", "*"])
def test_deleted_files_raise_nothing(tmp_path: Path, what: str) -> None:
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
    assert spool.last_error == "Not a directory"


def test_a_partial_write_loses_no_record_that_was_taken(tmp_path: Path) -> None:
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
    assert spool.last_error == "No space left on device"
    assert spool.append(some(3, first=900)) == 3
    die(spool)

    later = FileSpool(tmp_path, max_bytes=MIB)
    assert drain(later) == some(taken) + some(3, first=900)
    assert later.counts().damaged == 0
    later.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_loses_no_record_that_was_taken(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path]).returncode:  # noqa: S603, S607, PLW1510
        pytest.skip("mounting a small tmpfs needs to be allowed")
    try:
        spool = FileSpool(tmp_path, max_bytes=MIB)
        taken = spool.append(some(2_000, size=77))
        assert 500 < taken < 656
        assert spool.append(some(1, first=5_000, size=77)) == 0
        assert spool.last_error == "No space left on device"
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
    """Replaces system calls by ones that fail with ``errno``, once or always."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, errno: int) -> None:
        self.calls = 0

        def failing(*_: object, **__: object) -> None:
            self.calls += 1
            raise OSError(errno, os.strerror(errno))

        patch.setattr(f"gnomon.client.spool.files.os.{call}", failing)


@pytest.mark.parametrize("errno", [5, 13, 28, 30])
@pytest.mark.parametrize("call", ["open", "pwrite", "fdatasync", "pread", "fstat", "fsync"])
def test_no_error_of_the_disk_is_raised(tmp_path: Path, call: str, errno: int) -> None:
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
            assert spool.last_error == os.strerror(errno)
    spool.close()

    later = FileSpool(tmp_path, max_bytes=MIB)
    left = drain(later)
    assert set(some(taken, first=50)) <= set(left)
    later.close()


def _everything(spool: FileSpool, values: Sequence[Record]) -> int:
    """Call each method once; return how many records were taken. Nothing is settled."""
    spool.pending()
    taken = spool.append(values)
    spool.sync()
    spool.read(10)
    return taken


def test_an_unreadable_segment_is_left_for_another_process(
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
        assert rest.last_error == "Input/output error"
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
        assert spool.last_error == "Read-only file system"
        spool.close()

"""The spool in real processes: killed while writing, many on one folder, forked."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.support.client.spooled import MIB, drain
from tests.support.polling import eventually_sync

from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool

WRITER = """
import sys
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool

folder, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
spool = FileSpool(folder, max_bytes=64 << 20, segment_bytes=20_000)
for batch in range(batches):
    values = [Record(name.encode(), b"%d" % n) for n in range(batch * 50, batch * 50 + 50)]
    print("taken", spool.append(values), flush=True)
    if batch % 4 == 3:
        spool.sync()
        print("synced", batch * 50 + 50, flush=True)
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def writer(folder: Path, name: str, *, batches: int) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", WRITER, str(folder), name, str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]") -> Iterator[list[str]]:
    assert process.stdout is not None
    return (line.split() for line in process.stdout)


def await_line(process: "subprocess.Popen[str]", word: str) -> None:
    assert any(line[0] == word for line in lines(process))


@pytest.mark.parametrize("lines_seen", [9, 40, 133])
def test_the_next_process_reads_the_records_of_a_killed_one(
    tmp_path: Path, lines_seen: int
) -> None:
    with writer(tmp_path, "a", batches=100_000) as process:
        said = lines(process)
        taken = sum(int(line[1]) for line in islice(said, lines_seen) if line[0] == "taken")
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    spool = FileSpool(tmp_path, max_bytes=MIB)
    numbers = [int(record.value) for record in drain(spool)]
    assert len(numbers) >= taken > 0
    assert numbers == list(range(len(numbers)))
    assert spool.counts().damaged == 0
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_files_from_others(tmp_path: Path) -> None:
    with writer(tmp_path, "a", batches=3) as process:
        await_line(process, "done")
        spool = FileSpool(tmp_path, max_bytes=MIB)
        assert (list(spool.read(5)), spool.pending()) == ([], 0)
        spool.close()
        process.kill()
        process.wait(60)

    spool = FileSpool(tmp_path, max_bytes=MIB)
    assert len(drain(spool)) == 150
    spool.close()


def adopt_and_write(folder: str, name: str, go: Connection) -> None:
    """Read all adopted records, write meanwhile, then report what was read and die."""
    spool = FileSpool(folder, max_bytes=64 * MIB, segment_bytes=5_000, clock_s=iter_clock())
    go.recv()
    read: list[tuple[bytes, int]] = []
    for number in range(200):
        assert spool.append([Record(name.encode(), b"%d" % number)]) == 1
        for position, record in spool.read(20):
            read.append((record.key, int(record.value)))
            last = position
        spool.settle(last)
    go.send((read, spool.counts()))
    go.recv()


def iter_clock() -> "ClockAhead":
    return ClockAhead()


class ClockAhead:
    """A clock that moves by a minute at each call, so that every call looks for dead processes."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 60.0
        return self.now_s


def test_many_processes_share_a_folder_and_each_record_is_read_once(tmp_path: Path) -> None:
    """Four living processes adopt the files of eight dead ones at once, and write meanwhile."""
    for number in range(8):
        with writer(tmp_path, f"dead-{number}", batches=6) as process:
            await_line(process, "done")
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(4)]
    workers = [
        context.Process(target=adopt_and_write, args=(str(tmp_path), f"live-{n}", pair[1]))
        for n, pair in enumerate(pairs)
    ]
    for worker in workers:
        worker.start()
    try:
        for pair in pairs:
            pair[0].send("go")
        told = [pair[0].recv() for pair in pairs]
    finally:
        for worker in workers:
            worker.kill()
            worker.join(60)
    spool = FileSpool(tmp_path, max_bytes=MIB)
    rest = [(record.key, int(record.value)) for record in drain(spool)]
    spool.close()

    everything = Counter(one for read, _ in told for one in read) + Counter(rest)
    expected = {(f"dead-{d}".encode(), n): 1 for d in range(8) for n in range(300)}
    expected |= {(f"live-{w}".encode(), n): 1 for w in range(4) for n in range(200)}
    assert everything == expected
    assert [counts for _, counts in told] == [(0, 0, 0, 0)] * 4
    for number, (read, _) in enumerate(told):
        living = {key for key, _ in read if key.startswith(b"live")}
        assert living <= {f"live-{number}".encode()}
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_leaves_its_parents_files_alone(tmp_path: Path) -> None:
    body = """
import os, pathlib, sys
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool

folder = pathlib.Path(sys.argv[1])
spool = FileSpool(folder, max_bytes=1 << 20)
spool.append([Record(b"parent", b"%d" % n) for n in range(5)])
position, _ = spool.read(2)[-1]
before = {path.name: path.read_bytes() for path in folder.iterdir()}
if (pid := os.fork()) == 0:
    print(list(spool.read(9)), spool.pending())
    spool.settle(position)
    print(spool.append([Record(b"child", b"0")]), spool.pending(), flush=True)
    spool.sync()
    os._exit(0)
os.waitpid(pid, 0)
after = {path.name: path.read_bytes() for path in folder.iterdir()}
print(before.items() <= after.items(), len(after) - len(before))
spool.append([Record(b"parent", b"5")])
print(spool.pending(), [record.value for _, record in spool.read(2)])
"""
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-c", body, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "[] 0",
        "1 1",
        "True 2",
        "6 [b'0', b'1']",
    ]
    spool = FileSpool(tmp_path, max_bytes=MIB)
    assert Counter(record.key for record in drain(spool)) == {b"parent": 6, b"child": 1}
    spool.close()


def test_a_forked_child_that_lives_on_does_not_keep_its_dead_parents_files(tmp_path: Path) -> None:
    """It would keep them if it held the inherited lock open."""
    body = """
import os, signal, sys
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool
spool = FileSpool(sys.argv[1], max_bytes=1 << 20)
spool.append([Record(b"parent", b"0")])
if os.fork() == 0:
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.read()
"""
    with subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", body, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            parent.kill()
            parent.wait(60)
            os.kill(child, 0)  # raises if the child is not alive
            spool = FileSpool(tmp_path, max_bytes=MIB)
            assert [record.key for record in drain(spool)] == [b"parent"]
            spool.close()
        finally:
            os.kill(child, signal.SIGKILL)
    eventually_sync(lambda: not list(tmp_path.iterdir()), what="nothing left")


def test_the_spool_imports_only_the_standard_library() -> None:
    body = """
import sys
before = set(sys.modules)
import gnomon.client
client = set(sys.modules)
import gnomon.client.spool.spool
print(sorted({name.partition('.')[0] for name in set(sys.modules) - client} - {'gnomon'}))
"""
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-c", body], capture_output=True, text=True, timeout=60, check=True
    )
    extra = set(eval(done.stdout))  # noqa: S307  what we printed
    assert extra <= sys.stdlib_module_names

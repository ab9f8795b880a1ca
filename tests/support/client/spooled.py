"""Records for a spool of files, and functions that read it and end its process."""

from gnomon.client.delivery.ports import Spool
from gnomon.client.records import Record
from gnomon.client.spool.spool import FileSpool

MIB = 1 << 20


def some(count: int, *, first: int = 0, size: int = 20) -> list[Record]:
    numbers = range(first, first + count)
    return [Record(f"agent-{n % 3}".encode(), str(n).encode().ljust(size, b".")) for n in numbers]


def read(spool: Spool, max_events: int = 1_000) -> list[Record]:
    return [record for _, record in spool.read(max_events)]


def drain(spool: Spool, max_events: int = 7) -> list[Record]:
    """Read and settle until nothing is left."""
    found: list[Record] = []
    while batch := spool.read(max_events):
        found += [record for _, record in batch]
        spool.settle(batch[-1][0])
    assert spool.pending() == 0
    return found


def die(spool: FileSpool) -> None:
    """Close the files and do nothing else, as the kernel does when a process is killed."""
    for files in spool._all_files():
        files.release()
    spool._begin()

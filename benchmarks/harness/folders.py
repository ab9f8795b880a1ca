"""A folder for the files of one measurement: in memory, where the machine has it."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
FREE_BYTES: Final = 8 << 30


def measuring_folder(*, on_disk: bool = False) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder that is removed in the end.

    A disk that writes back what was written before stops Kafka for a second now and then: it blocks the
    first write to each page of the mapped index files. With many partitions these pauses would be most of
    what is measured.

    Args:
        on_disk: Use the folder for temporary files also where there is enough room in memory.
    """
    prefix = "gnomon-bench-"
    if not on_disk and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= FREE_BYTES:
        return tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY)
    return tempfile.TemporaryDirectory(prefix=prefix)

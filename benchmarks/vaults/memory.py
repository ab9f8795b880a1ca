"""The memory that an export and a training take, as the store grows."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.harness.watching import resident_mb

from gnomon.settings import Settings

MOST_MORE: Final = 1.1
"""How many times as much memory the largest store may need as the smallest."""
_COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "export": ("vault", "export", "--reason", "benchmark", "--to"),
    # All decisions are read for the same number of runs, whatever the size of the store.
    "train": ("train", "--learner", "pool", "--no-analysis", "--origins", "1", "--recent", "5000"),
}


class Peak(NamedTuple):
    """What a command took: resident memory in MB, processor time and time in seconds."""

    mb: float
    cpu_s: float
    took_s: float


def peaks(settings: Settings, folder: Path, decisions: int) -> dict[str, Peak]:
    """Run each command on the store, print what it took, and return it."""
    found = {}
    for name, words in _COMMANDS.items():
        target = [str(folder / f"export-{decisions}")] if name == "export" else []
        found[name] = peak = _peak([*words, *target], settings, folder / f"{name}.log")
        print(
            f"  {name:<8}of {decisions:>9,} decisions: {peak.mb:>6.0f} MB at most, {peak.took_s:.1f} s,"
            f" CPU {peak.cpu_s:.1f} s",
            flush=True,
        )
    return found


def is_flat(first: Mapping[str, Peak], last: Mapping[str, Peak]) -> bool:
    """Print whether each command needs about as much memory for the last store as for the first."""
    flat = True
    for name, peak in last.items():
        more = peak.mb / first[name].mb
        flat &= more <= MOST_MORE
        print(
            f"  {name}: {more:.2f} times as much, at most {MOST_MORE}: {'yes' if more <= MOST_MORE else 'NO'}"
        )
    return flat


def _peak(words: Sequence[str], settings: Settings, log: Path) -> Peak:
    began_s = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gnomon", *words],
            env={**os.environ, **settings.as_environ(), "GNOMON_BROKERS": "127.0.0.1:1"},
            stdout=file,
            stderr=file,
        )
        # ru_maxrss of a child also counts the memory of this process, of which it is a copy at first.
        peak_mb, status = 0.0, 0
        used: resource.struct_rusage | None = None
        while used is None:
            with suppress(ValueError):  # it has ended just now
                peak_mb = max(peak_mb, resident_mb(process.pid, peak=True))
            time.sleep(0.02)
            pid, status, found = os.wait4(process.pid, os.WNOHANG)
            used = found if pid else None
    if status:
        raise SystemExit(f"gnomon {words[0]} failed: {log.read_text()[-2000:]}")
    return Peak(peak_mb, used.ru_utime + used.ru_stime, time.perf_counter() - began_s)

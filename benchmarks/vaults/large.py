"""A large store, made once: the memory that commands take while it grows, and what a verification finds in it."""

import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.vaults import memory, tampered
from benchmarks.vaults.rows import records
from tests.support.vaults import Vault

BATCH: Final = 2_000
EVERY_MS: Final = 36
"""A hundred thousand decisions an hour."""
SIZES: Final = (10_000, 100_000)
"""Sizes at which memory is measured, beside the last one."""


def measure(*, count: int, of_memory: bool, of_verifying: bool) -> bool:
    """Fill a store with ``count`` decisions, measure what is asked for, and return whether it is as required."""
    met, peaks = True, []
    sizes = [size for size in SIZES if size < count and of_memory]
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        with Vault(f"sqlite:///{folder}/store.db", folder) as vault:
            began_s, filled = time.perf_counter(), 0
            for size in (*sizes, count):
                for at in range(filled, size, BATCH):
                    part = records(at, BATCH, partition=at // BATCH % 4, every_ms=EVERY_MS)
                    vault.take(part)
                filled = size
                if of_memory:
                    peaks.append(memory.peaks(vault.settings, folder, size))
            print(
                f"filled with {count:,} decisions in {time.perf_counter() - began_s:.0f} s",
                flush=True,
            )
            if of_memory:
                met &= memory.is_flat(peaks[0], peaks[-1])
            if of_verifying:
                met &= tampered.measure(vault, folder, count=count, every_ms=EVERY_MS)
    return met

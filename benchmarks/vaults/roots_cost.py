"""What the Merkle trees cost the vault stage, beside no trees and beside the simplest thing, a hash chain.

The stage runs without Kafka on an SQLite store. Batches of the three kinds take turns in a random order, so
that other load on the machine hardly changes their ratio; only processor time counts.
"""

import gc
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from typing import Final, NamedTuple
from unittest.mock import patch

from benchmarks.vaults.rows import records
from tests.support.vaults import Read, Vault

from gnomon.runtime.process.memory import tune_gc, tune_malloc
from gnomon.stages.vault_roots import RootedStore

NONE, CHAIN, TREES = "no roots", "a hash chain", "Merkle trees"


class _Rootless(RootedStore):
    """Stores rows alone."""

    def upsert(self, parts, **beside):  # type: ignore[no-untyped-def]
        self._store.upsert([row for part in parts for row in part.rows], **beside)

    def publish(self, batch, before, outputs):  # type: ignore[no-untyped-def]
        pass


class _Chained(_Rootless):
    """Hashes each ciphertext into one chain and stores nothing of it: the least that covers every byte."""

    last = b""

    def upsert(self, parts, **beside):  # type: ignore[no-untyped-def]
        for part in parts:
            for row in part.rows:
                self.last = sha256(self.last + row.decision_id.encode() + row.sealed).digest()
        super().upsert(parts, **beside)


KINDS: Final = {NONE: _Rootless, CHAIN: _Chained, TREES: RootedStore}
WARM_UP: Final = 2
"""Batches at the beginning that are not counted: the first make keys."""


def _user_s() -> float:
    return os.times().user


class _Process(NamedTuple):
    """Processor time that one process measured, by kind: of each batch, and of all in user mode."""

    spent_s: dict[str, list[float]]
    user_s: dict[str, float]

    def more(self, kind: str) -> float:
        """Return how much more than no roots a kind costs, as a fraction."""
        pairs = zip(self.spent_s[kind], self.spent_s[NONE], strict=True)
        return median(spent_s / without_s for spent_s, without_s in pairs) - 1


def measure(*, processes: int, batches: int, batch: int) -> bool:
    """Print the processor time of each kind; return whether the trees cost at most 5 %.

    Where the memory of each kind lies changes their ratio by some percent for as long as a process lives, so
    several processes measure it.
    """
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        found = list(pool.map(_measured, [batches] * processes, [batch] * processes))
    done = (batches - WARM_UP) * batch
    print(
        f"{processes} x {batches} batches of {batch} decisions"
        f"{'CPU us a decision':>20}{'user us':>9}{'more':>8}  of each process"
    )
    for kind in KINDS:
        us = median(sum(each.spent_s[kind]) for each in found) / done * 1e6
        user_us = median(each.user_s[kind] for each in found) / done * 1e6
        more = [each.more(kind) for each in found]
        each_more = " ".join(f"{one:.1%}" for one in more)
        print(f"  {kind:<34}{us:>14.2f}{user_us:>9.2f}{median(more):>8.1%}  {each_more}")
    cost = median(each.more(TREES) for each in found)
    print(f"  at most 5 %: {'yes' if cost <= 0.05 else 'NO'}", flush=True)
    return cost <= 0.05


def _measured(batches: int, batch: int) -> _Process:
    tune_malloc()  # as in a worker
    tune_gc()
    found = _Process({kind: [] for kind in KINDS}, dict.fromkeys(KINDS, 0.0))
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name, ExitStack() as running:
        vaults = {}
        for kind, made in KINDS.items():
            folder = Path(name) / kind.replace(" ", "-")
            folder.mkdir()
            with patch("gnomon.stages.vault.RootedStore", made):
                vaults[kind] = running.enter_context(Vault(f"sqlite:///{folder}/store.db", folder))
        for turn in range(batches):
            part = records(turn * batch, batch)
            for kind in Random(turn).sample([*KINDS], len(KINDS)):
                spent_s, user_s = _spent(vaults[kind], part)
                if turn >= WARM_UP:
                    found.spent_s[kind].append(spent_s)
                    found.user_s[kind] += user_s
    return found


def _spent(vault: Vault, part: Sequence[Read]) -> tuple[float, float]:
    """Return the processor time of one batch, and of it that in user mode."""
    gc.collect()
    user_s, began_s = _user_s(), time.process_time()
    vault.take(part)
    return time.process_time() - began_s, _user_s() - user_s

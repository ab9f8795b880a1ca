"""What the Merkle trees cost the vault stage, beside no trees and beside the simplest thing, a hash chain.

The stage runs without Kafka on an SQLite store. Batches of the three kinds take turns, so that other load on
the machine hardly changes their ratio; only processor time counts.
"""

import gc
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks.vaults.rows import records
from benchmarks.vaults.without_roots import Rootless
from tests.support.vaults import Read, Vault

from gnomon.runtime.process.memory import tune_gc, tune_malloc
from gnomon.stages.vault_roots import RootedStore

NONE, CHAIN, TREES = "no roots", "a hash chain", "Merkle trees"


class _Chained(Rootless):
    """Hashes each ciphertext into one chain and stores nothing of it: the least that covers every byte."""

    last = b""

    def upsert(self, parts, **beside):  # type: ignore[no-untyped-def]
        for part in parts:
            for row in part.rows:
                self.last = sha256(self.last + row.decision_id.encode() + row.sealed).digest()
        super().upsert(parts, **beside)


def _user_s() -> float:
    return os.times().user


def measure(*, batches: int, batch: int) -> bool:
    """Print the processor time of each kind; return whether the trees cost at most 5 %."""
    tune_malloc()  # as in a worker
    tune_gc()
    kinds = {NONE: Rootless, CHAIN: _Chained, TREES: RootedStore}
    whole: dict[str, list[float]] = {kind: [] for kind in kinds}
    user: dict[str, float] = dict.fromkeys(kinds, 0.0)
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name, ExitStack() as running:
        vaults = {}
        for kind, made in kinds.items():
            folder = Path(name) / kind.replace(" ", "-")
            folder.mkdir()
            with patch("gnomon.stages.vault.RootedStore", made):
                vaults[kind] = running.enter_context(Vault(f"sqlite:///{folder}/store.db", folder))
        for turn in range(batches):
            part = records(turn * batch, batch)
            for kind in (*kinds,) if turn % 2 else (*reversed(kinds),):
                spent_s, user_s = _spent(vaults[kind], part)
                if turn >= 2:  # the first make keys and warm up
                    whole[kind].append(spent_s)
                    user[kind] += user_s
    done = (batches - 2) * batch
    print(
        f"{batches} batches of {batch} decisions{'':<6}{'CPU us a decision':>18}{'user us':>9}{'more':>8}"
    )
    for kind in kinds:
        us, user_us = sum(whole[kind]) / done * 1e6, user[kind] / done * 1e6
        more = median(map(_ratio, whole[kind], whole[NONE])) - 1
        print(f"  {kind:<34}{us:>14.2f}{user_us:>9.2f}{more:>8.1%}")
    cost = median(map(_ratio, whole[TREES], whole[NONE])) - 1
    print(f"  at most 5 %: {'yes' if cost <= 0.05 else 'NO'}", flush=True)
    return cost <= 0.05


def _ratio(one: float, other: float) -> float:
    return one / other


def _spent(vault: Vault, part: Sequence[Read]) -> tuple[float, float]:
    """Return the processor time of one batch, and of it that in user mode."""
    gc.collect()
    user_s, began_s = _user_s(), time.process_time()
    vault.take(part)
    return time.process_time() - began_s, _user_s() - user_s

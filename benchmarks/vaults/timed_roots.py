"""A worker that measures what its vault stage spends on Merkle roots: takes the arguments of ``gnomon``.

Two runs, one of them without roots, differ by more than the roots cost, because the machine is faster at one time
than at another. So one run adds up the processor time of its threads in the functions that only roots need. It leaves
out what a database server does for the rows of each transaction, which ``roots_server`` measures.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from gnomon.cli import main
from gnomon.stages.vault_roots import RootedStore
from gnomon.store.roots import RootLog

FILE: Final = "GNOMON_BENCH_ROOTS_FILE"
"""Environment variable: where the sum is written when the worker ends, in seconds."""
_OF_ROOTS: Final = (
    (RootedStore, "_addition"),
    (RootedStore, "publish"),
    (RootLog, "write"),
    (RootLog, "stored"),
)


def _timed(function: Callable[..., Any], spent_ns: list[int]) -> Callable[..., Any]:
    def timed(*args: Any, **options: Any) -> Any:
        began_ns = time.thread_time_ns()
        try:
            return function(*args, **options)
        finally:
            spent_ns.append(time.thread_time_ns() - began_ns)

    return timed


if __name__ == "__main__":
    spent_ns: list[int] = []
    with ExitStack() as patches:
        for owner, name in _OF_ROOTS:
            patches.enter_context(patch.object(owner, name, _timed(getattr(owner, name), spent_ns)))
        try:
            status = main(sys.argv[1:])
        finally:
            Path(os.environ[FILE]).write_text(str(sum(spent_ns) / 1e9), encoding="ascii")
    sys.exit(status)

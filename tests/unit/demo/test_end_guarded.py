"""A program under a guard has ended when ``end_guarded`` returns, also if it had to be killed."""

import asyncio
import os
import sys

import pytest

from gnomon.broker.guarded_process import guarded
from gnomon.demo.run import end_guarded

PROGRAM = """
import os, signal, sys, time
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), file=sys.stderr, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["obedient", "stubborn"])
async def test_it_has_ended(kind: str) -> None:
    guard = await asyncio.create_subprocess_exec(
        sys.executable,
        *guarded("-c", PROGRAM, kind),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert guard.stderr is not None
    pid = int(await guard.stderr.readline())

    await end_guarded(guard, within_s=0.5 if kind == "stubborn" else 30.0)

    assert guard.returncode == 128 + (9 if kind == "stubborn" else 15)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

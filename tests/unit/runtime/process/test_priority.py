"""A process that yields gets the smaller share of a busy core, also from another session."""

import os
import subprocess
import sys

import pytest

from gnomon.runtime.process.priority import AUTOGROUP

BUSY_S = 1.5
BUSY = """
import os, sys, time
from gnomon.runtime.process.priority import be_nice

os.sched_setaffinity(0, {int(sys.argv[1])})
be_nice(int(sys.argv[2]))
print("up", flush=True)
sys.stdin.readline()
used_s, end_s = time.process_time(), time.monotonic() + float(sys.argv[3])
while time.monotonic() < end_s:
    pass
print(time.process_time() - used_s)
"""


def shares_s(*increments: int) -> list[float]:
    """Processor time of busy loops on one core, each in a session of its own as stages are."""
    core = str(min(os.sched_getaffinity(0)))
    running = [
        subprocess.Popen(  # noqa: S603  our own interpreter and code
            [sys.executable, "-c", BUSY, core, str(increment), str(BUSY_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for increment in increments
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return [float(process.communicate(timeout=60)[0]) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_the_nicer_of_two_sessions_gets_less_of_a_core() -> None:
    """By Linux' weights of niceness, 0 gets 3.06 times what 5 gets (``sched_prio_to_weight``)."""
    if not AUTOGROUP.exists():
        pytest.skip("this kernel does not group processes by session")

    first_s, nicer_s = shares_s(0, 5)

    assert first_s > 1.8 * nicer_s, (first_s, nicer_s)

"""Tests of the guard as a supervisor runs it: quiet, and ended by a signal in order."""

import os
import signal
import subprocess
import sys

import pytest

from gnomon.broker import guard

PROGRAM = """
import signal, sys, time
def end(*_):
    print("ended in order", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""


def guarded(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  our own interpreter and program
        [sys.executable, "-I", "-S", guard.__file__, *options, sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline().strip()


@pytest.mark.parametrize("by", ["signal", "end of input"])
def test_a_quiet_guard_says_nothing_and_ends_the_program_in_order(by: str) -> None:
    with guarded("--quiet") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert line_of(process) == "ready"

        if by == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()

        assert line_of(process) == "ended in order"
        assert process.wait(30) == 7
        assert process.stdout.read() == ""


def test_the_program_is_a_session_of_its_own() -> None:
    """Linux shares the processor between sessions: a program that yields yields for all of its session."""
    with guarded() as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        assert line_of(process) == "ready"
        assert os.getsid(program) == program != os.getsid(process.pid)
        process.communicate(timeout=30)


def test_otherwise_it_tells_the_programs_id_first() -> None:
    with guarded() as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        assert line_of(process) == "ready"
        process.communicate(timeout=30)  # closes its input, which ends it
        assert process.returncode == 7

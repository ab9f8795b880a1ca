"""Started in the background of a script, where SIGINT is ignored, the tests still end processes by it."""

import signal
import subprocess
import sys

from tests.contract.contract_files import ROOT

# What conftest does when it is imported is inherited by the processes that the tests start.
CODE = """
import subprocess, sys
import tests.conftest
child = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
"""


def test_processes_of_the_tests_do_not_ignore_an_interrupt() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and code
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT
        )
    finally:
        signal.signal(signal.SIGINT, before)

    assert done.stdout.split() == ["False"]

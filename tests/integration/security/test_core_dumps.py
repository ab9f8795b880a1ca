"""Tests that a process of gnomon that crashes leaves no image of its memory behind."""

import os
import sys
from pathlib import Path

import pytest

CRASH = """
import os, resource, signal
os.chdir({folder!r})
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
{then}
os.kill(os.getpid(), signal.SIGABRT)
"""
COMMAND = "from gnomon.cli.main import main; main(['config', 'table'])"


def leaves_a_dump(folder: Path, *, then: str) -> bool:
    """Return whether the kernel says that it has made a dump of a process that crashed."""
    script = CRASH.format(folder=str(folder), then=then)
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", script], os.environ)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_a_command_that_crashes_leaves_no_core_dump(tmp_path: Path) -> None:
    if not leaves_a_dump(tmp_path, then="pass"):
        pytest.skip("this machine makes no core dumps of any process")
    for dump in tmp_path.iterdir():
        dump.unlink()
    assert not leaves_a_dump(tmp_path, then=COMMAND)
    assert list(tmp_path.iterdir()) == []

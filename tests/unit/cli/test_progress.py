"""Tests of progress: a bar with an estimate on a terminal, and not a byte on a pipe."""

import io
import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console

from gnomon.cli.texts.progress import progress
from gnomon.long_work import counted

PROGRAM = """
from gnomon.cli.texts.progress import progress
with progress() as on_progress:
    for done in range(11):
        on_progress("reading decisions", done, 10)
print("the result")
"""


def test_a_terminal_shows_the_step_how_far_it_is_and_what_is_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress(console) as on_progress:
        on_progress("reading decisions", 500, 1000)
        on_progress("fitting", 0, None)
    shown = console.file
    assert isinstance(shown, io.StringIO)
    text = shown.getvalue()

    assert "500/1000" in text or "fitting" in text
    assert "left" in text


def test_a_pipe_gets_nothing_and_rich_is_not_even_imported() -> None:
    code = PROGRAM + "\nimport sys; assert 'rich' not in sys.modules"
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the result\n", "")


def test_a_real_terminal_gets_a_bar_and_the_output_stays_clean() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=theirs, text=True,
        check=True, timeout=50, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)

    assert done.stdout == "the result\n"
    assert "reading decisions" in shown
    assert "10/10" in shown


@pytest.mark.parametrize("size", [0, 1, 64, 65, 200])
def test_items_are_counted_as_they_are_taken(size: int) -> None:
    calls: list[tuple[str, int, int | None]] = []
    found = list(counted(range(size), lambda *each: calls.append(each), "reading", size))

    assert found == list(range(size))
    assert calls[0] == ("reading", 0, size)
    assert calls[-1] == ("reading", size, size)
    assert len(calls) <= 2 + size // 64 + 1

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.comparison import decision_id

GOLDEN = [
    ("agent-1", "task-1", "2d18199b377454041dd7415c68df605d"),
    ("ä", "✓", "f2101b2b1485fb5a7fb0f161fe65bdd9"),
    ("", "", "c804ce198ec337e3dc762bdd1a09aece"),
]


@pytest.mark.parametrize(("agent", "task", "expected"), GOLDEN)
def test_golden(agent: str, task: str, expected: str) -> None:
    """Made with ``b2sum -l 128`` over lengths (four bytes, big-endian) and ids."""
    assert decision_id(agent, task) == expected


@given(st.text(), st.text(), st.text(), st.text())
def test_ids_that_concatenate_to_the_same_differ(a: str, b: str, c: str, d: str) -> None:
    assert (decision_id(a, b) == decision_id(c, d)) == ((a, b) == (c, d))


def test_cutting_elsewhere_gives_another_id() -> None:
    assert len({decision_id("ab", "c"), decision_id("a", "bc"), decision_id("", "abc")}) == 3
    assert len({decision_id("a\x00", "b"), decision_id("a", "\x00b")}) == 2


def test_it_does_not_depend_on_the_process() -> None:
    code = "from gnomon.comparison import decision_id; print(decision_id('agent-1', 'task-1'))"
    made = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == GOLDEN[0][2]

"""A type checker reports a misspelt keyword, which the client itself only counts."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = ROOT / "tests" / "support" / "client" / "misspelt_keywords.py"
IGNORED = re.compile(r"  # type: ignore\[[a-z-]+\]")


def test_mypy_reports_each_misspelt_keyword_and_no_other_line(tmp_path: Path) -> None:
    lines = CALLS.read_text().splitlines()
    misspelt = {number for number, line in enumerate(lines, start=1) if IGNORED.search(line)}
    unmarked = tmp_path / "calls.py"
    unmarked.write_text("\n".join(IGNORED.sub("", line) for line in lines))
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-m", "mypy", str(unmarked)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    reported = re.findall(r"calls\.py:(\d+): error: ", done.stdout)
    assert {int(number) for number in reported} == misspelt, done.stdout
    assert len(misspelt) > 20

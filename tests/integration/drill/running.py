"""``gnomon drill`` as a person runs it, and what holds of every drill."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.commands import GNOMON, environ, processes_of


def report_of(drill: str, *arguments: str, folder: Path) -> dict[str, Any]:
    """Run a drill; return its report. Neither a process nor a temporary file may be left.

    The report is also in the data folder, and the exit status says whether the drill has passed.
    """
    (folder / "temporary").mkdir()
    done = subprocess.run(  # noqa: S603  our own command
        [*GNOMON, "drill", drill, *arguments, "--json"],
        env=environ({"GNOMON_DATA_DIR": str(folder / "data"), "TMPDIR": str(folder / "temporary")}),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report == json.loads((folder / f"data/drills/{drill}/report.json").read_bytes())
    assert done.returncode == (0 if report["passed"] else 1)
    assert list((folder / "temporary").iterdir()) == []
    assert processes_of(folder) == {}
    (folder / "said").write_text(done.stderr)
    return report

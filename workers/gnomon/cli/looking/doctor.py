"""``gnomon doctor``: look at an installation, and say what to do about each finding."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.operations.doctor import Finding


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Look at this installation: settings, versions, compiled modules, Java, disk, broker and login,\n"
        "topics, clock, certificates, key, store, registry. Nothing is changed. The exit status is 1 if\n"
        "something does not work."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--timeout", type=float, default=20.0, metavar="S", help="longest time for a check (20)"
    )
    parser.epilog = "example: gnomon doctor --json"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run every check; return 1 if one found a problem."""
    from gnomon.operations.doctor import examine  # noqa: PLC0415
    from gnomon.operations.doctor.catalog import CHECKS  # noqa: PLC0415

    found = examine(settings, CHECKS, timeout_s=options.timeout)
    problems = sum(each.level == "problem" for each in found)
    if options.json:
        print(json.dumps({"findings": [asdict(each) for each in found], "problems": problems}))
    else:
        for each in found:
            print(_line(each))
        print(f"{problems} problems" if problems else "nothing is wrong")
    return 1 if problems else 0


def _line(finding: "Finding") -> str:
    told = f"{finding.level:<8} {finding.check:<13} {finding.found}"
    return f"{told}\n{'':<22} to do: {finding.remedy}" if finding.remedy else told

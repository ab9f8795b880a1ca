"""Arguments of ``gnomon verdict``."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ABOUT: Final = """\
GO         surely better than required, and every other criterion holds
NO-GO      surely not as good as required
STOP-HARM  surely worse than the reference baseline
CONTINUE   not decided yet, or a criterion does not hold, which is named

exit status: 0 GO, 3 CONTINUE, 4 NO-GO, 5 STOP-HARM; for several models the best of these,
             for several variants of an experiment STOP-HARM if there is one, else the best;
             with --verify 0 if it is the same, 1 if it differs;
             2 for wrong use and files that cannot be read
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = ABOUT
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--comparisons", type=Path, metavar="FILE.jsonl",
        help="comparison.v1 records, one a line, in any order; repeats count once",
    )  # fmt: skip
    source.add_argument(
        "--live", action="store_true",
        help="judge the evidence that the comparison workers collect, with their settings",
    )  # fmt: skip
    parser.add_argument("--brokers", metavar="B", help="with --live: host:port,… (GNOMON_BROKERS)")
    parser.add_argument(
        "--register", type=Path, metavar="OUT",
        help="write settings with the constants of this window fixed, for GNOMON_VERDICT_SETTINGS",
    )  # fmt: skip
    parser.add_argument(
        "--experiment", metavar="NAME", help="judge the variants of this experiment, not models"
    )
    parser.add_argument(
        "--variants", type=Path, metavar="FILE", help="the settings file of the experiment's router"
    )
    parser.add_argument(
        "--apply", type=Path, metavar="FILE",
        help="the same file, into which a STOP-HARM is written: every unit then gets control",
    )  # fmt: skip
    parser.add_argument(
        "--exposures", type=Path, metavar="FILE.jsonl",
        help="exposure.v1 records, one a line: the units whose ratio is checked"
        " (the units that have tasks)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the verdict here, as JSON")
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="write a report with charts here, as one file"
    )
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="registered settings, as JSON (the defaults)"
    )
    parser.add_argument(
        "--drills", type=Path, action="append", default=[], metavar="FILE",
        help="reports of drills, as JSON or one a line; may be repeated"
        " (drills/*/report.json in GNOMON_DATA_DIR)",
    )  # fmt: skip
    parser.add_argument(
        "--now", type=_time, metavar="T",
        help="the time from which the age of drills is measured, as ISO 8601 (the latest in FILE.jsonl; with --live the present)",
    )  # fmt: skip
    parser.add_argument(
        "--model",
        metavar="NAME[@VERSION]",
        help="show this one, on the page too, and let it decide the exit status",
    )
    parser.add_argument(
        "--newest", action="store_true",
        help="judge the newest version of a name at each task as one model",
    )  # fmt: skip
    parser.add_argument(
        "--verify", type=Path, metavar="OUT",
        help="recompute this verdict with its own settings, and name the first difference",
    )  # fmt: skip
    parser.epilog = (
        "example: gnomon verdict --comparisons topics/comparisons.jsonl --json verdict.json"
    )


def _time(text: str) -> int:
    """Parse ISO 8601, in UTC if it has no zone, to epoch milliseconds."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected ISO 8601, got {text!r}") from error
    return round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)

"""``gnomon schemas``: export the public contract as files, or check it."""

import argparse
import sys
from pathlib import Path

from gnomon.contract import files
from gnomon.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "Export the JSON Schemas and the AsyncAPI document, or check them."
    parser.epilog = (
        "examples:\n"
        "  gnomon schemas export --out schemas\n"
        "  gnomon schemas check\n"
        "  gnomon schemas check --against schemas/released/0.1.0\n"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write the contract into a folder")
    export.add_argument("--out", type=Path, default=Path("schemas"), help="default: %(default)s")
    check = actions.add_parser(
        "check", help="exit with 1 if files differ or a change breaks the contract"
    )
    check.description = (
        "Without --against: check that ./schemas is what export writes, and does not break its"
        " newest release. With it: check that nothing breaks for readers and records of the contract"
        " in DIR."
    )
    check.add_argument("--against", type=Path, metavar="DIR", help="folder of an exported contract")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Export and return 0; or check, and return 1 and print a line for each difference."""
    if options.action == "export":
        for path in files.write(options.out):
            print(path)
        return 0
    return _check(options.against)


def _check(against: Path | None) -> int:
    schemas = Path("schemas")
    baseline = against or files.newest_release(schemas)
    drifts = [] if against else files.drift(schemas)
    breaks = files.breaks(baseline) if baseline else []
    for line in drifts:
        print(f"drift: {line}", file=sys.stderr)
    for line in breaks:
        print(f"break: {line}", file=sys.stderr)
    if drifts:
        print("run: gnomon schemas export, and commit what it writes", file=sys.stderr)
    if not drifts and not breaks:
        print(f"schemas hold: compared with {baseline or 'no release yet'}")
    return 1 if drifts or breaks else 0

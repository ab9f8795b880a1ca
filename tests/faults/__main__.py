"""``python -m tests.faults``: a stream, faults, and a verdict.

Exit status 1 if any record is missing, repeated or wrong, or the ledger is not exact.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.inflict import KINDS
from tests.faults.run import Options, run

GAP_S = 6.0
"""Seconds of the stream for each fault; most recoveries take ten seconds, and faults may overlap."""
LONG = 300


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite; returns 0 if all outputs are as expected."""
    options = _parser().parse_args(argv)
    faults = options.faults or (LONG if options.long else 30)
    seconds = options.seconds or max(30.0, faults * GAP_S)
    # aiokafka logs several times a second that no broker answers, which is intended here.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="gnomon-faults-"))
    report = asyncio.run(
        run(
            Options(
                seed=options.seed,
                events=options.events,
                faults=faults,
                agents=options.agents,
                seconds=seconds,
                folder=folder,
                say=_say,
                kinds=options.kinds or tuple(KINDS),
                partitions=options.partitions,
                workers=options.workers,
                secure=options.secure,
            )
        )
    )
    if options.report:
        options.report.write_bytes(report.as_json())
    if options.dump:
        shutil.copytree(folder / "dump", options.dump, dirs_exist_ok=True)
        shutil.copy(folder / "workers.log", options.dump)
    sys.stdout.buffer.write(report.as_json())
    if report.clean:
        shutil.rmtree(folder)
        return 0
    _say(f"NOT CLEAN; logs, data and dump are in {folder}")
    return 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  a command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="of the stream and of the faults (default: 1)")
    add("--faults", type=int, help="how many (default: 30, or 300 with --long)")
    add("--events", type=int, default=200_000, help="how many (default: 200,000)")
    add("--agents", type=int, default=500, help="how many (default: 500)")
    add("--seconds", type=float, help="how long the stream flows (default: 6 a fault)")
    add("--partitions", type=int, default=4, help="of every topic (default: 4)")
    add("--workers", type=int, default=1, help="of each stage (default: 1)")
    add("--secure", action="store_true", help="on a broker that asks for TLS, login and rights")
    add("--long", action="store_true", help="hundreds of faults: half an hour")
    add("--kinds", nargs="+", choices=KINDS, metavar="KIND", help=f"only {', '.join(KINDS)}")
    add("--report", type=Path, metavar="FILE", help="also write the report there")
    add("--dump", type=Path, metavar="DIR", help="leave input and every topic there as JSON lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())

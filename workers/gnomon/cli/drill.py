"""``gnomon drill``: test the whole system on this machine, and measure it."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gnomon.drill.report import RULE
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.drill.report import Report

MIN_SECONDS = 4.0
ABOUT = (
    "Two services that differ only in gnomon's client receive requests at the same time; half-way"
    f" the drill kills its own broker and workers. The exit status is 0 if in both phases {RULE};"
    " otherwise 1."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Set up ``gnomon drill isolation``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="DRILL")
    isolation = actions.add_parser(
        "isolation",
        help="measure a service with and without the client, while gnomon is killed",
        description=ABOUT,
        epilog="example: gnomon drill isolation --seconds 60",
    )
    isolation.add_argument(
        "--seconds",
        type=_seconds,
        default=60.0,
        metavar="N",
        help="duration of the measurement (60)",
    )
    isolation.add_argument(
        "--rate",
        type=_rate,
        default=100.0,
        metavar="R",
        help="requests per second to each service (100)",
    )
    isolation.add_argument(
        "--json", action="store_true", help="print the report as one JSON object"
    )
    parser.epilog = "example: gnomon drill isolation"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the drill and write its report to the data folder; return 0 if it passed, else 1.

    Raises:
        DrillError: A process of the drill has ended, so there is no result.
    """
    from gnomon.operations.isolation_report import report_path  # noqa: PLC0415

    try:
        report = asyncio.run(_isolation(options, settings))
    except asyncio.CancelledError:
        return 143
    path = report_path(settings.data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    _show(report, path, as_json=options.json)
    return 0 if report.passed else 1


async def _isolation(options: argparse.Namespace, settings: Settings) -> "Report":
    from gnomon.drill.isolation import Isolation, plan  # noqa: PLC0415  only in gnomon[all]
    from gnomon.operations.local_stack import LocalStack  # noqa: PLC0415
    from gnomon.stages import STAGES  # noqa: PLC0415

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="gnomon-drill-") as folder:
        own = Settings.from_env({"GNOMON_DATA_DIR": folder, "GNOMON_LOG_LEVEL": settings.log_level})
        async with LocalStack(own, own_broker=True, stages=STAGES, progress=_say) as stack:
            planned = plan(seconds=options.seconds, rate_per_s=options.rate)
            drill = Isolation(stack, plan=planned, progress=_say)
            return await drill.run(at_ms=time.time_ns() // 1_000_000)


def _show(report: "Report", path: Path, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    from rich.console import Console  # noqa: PLC0415  only in gnomon[workers]

    from gnomon.drill.view import lines, table  # noqa: PLC0415

    Console().print(table(report))
    for line in lines(report):
        print(line)
    print(f"written: {path}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= MIN_SECONDS:
        raise argparse.ArgumentTypeError(f"expected at least {MIN_SECONDS:.0f}, got {text!r}")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 1.0 <= value <= 10_000.0:  # noqa: PLR2004  as the message says
        raise argparse.ArgumentTypeError(f"expected 1 to 10000, got {text!r}")
    return value

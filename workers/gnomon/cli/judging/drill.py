"""``gnomon drill``: test the whole system on this machine, and measure it."""

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gnomon.cli.texts.saying import at_least_seconds, say
from gnomon.cli.verdicts import held_drills, watched_drills
from gnomon.cli.verdicts.held_drills import keep, report_place
from gnomon.cli.verdicts.own_stack import own_stack
from gnomon.drill.report import RULE
from gnomon.errors import GnomonError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.drill.report import Report
    from gnomon.drill.rollback import RollbackReport

MIN_SECONDS = 4.0
CANCELLED = 143
ABOUT = (
    "Two services that differ only in gnomon's client receive requests at the same time; half-way"
    f" the drill kills its own broker and workers. The exit status is 0 if in both phases {RULE};"
    " otherwise 1."
)


ROLLBACK_ABOUT = (
    "A broker of its own, all stages, two workers of the shadow stage, and agents that publish tasks:"
    " the drill promotes a version and rolls it back, and reports the seconds until every partition"
    " was predicted by the version that was wanted. Exit status 0 if both took at most 5 s and no"
    " task was missed; else 1."
)


ALL_ABOUT = (
    "Holds each drill that needs no person, one after another, and writes the reports that the checklist of"
    " gnomon verdict reads: isolation, rollback, alert and dashboards with brokers of their own, security and"
    " restore with the configured store. About six minutes. Exit status 0 if all passed; else 1."
)
ALL: Final[Sequence[tuple[str, Mapping[str, object]]]] = (
    ("isolation", {"rate": 100.0, "secure": False}),
    ("rollback", {"rate": 200.0, "secure": False}),
    ("alert", {"fault": None}),
    ("dashboards", {}),
    ("security", {}),
    ("restore", {"store_url": None, "key_file": None}),
)
"""The drills of ``all``, with their default options."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set up every drill."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="DRILL")
    isolation = actions.add_parser(
        "isolation",
        help="measure a service with and without the client, while gnomon is killed",
        description=ABOUT,
        epilog="example: gnomon drill isolation --seconds 60",
    )
    isolation.add_argument(
        "--seconds",
        type=at_least_seconds(MIN_SECONDS),
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
    rollback = actions.add_parser(
        "rollback",
        help="how long a promotion and a rollback take until every worker follows",
        description=ROLLBACK_ABOUT,
        epilog="example: gnomon drill rollback --rate 500",
    )
    rollback.add_argument(
        "--rate", type=_rate, default=200.0, metavar="R", help="tasks a second (200)"
    )
    rollback.add_argument("--json", action="store_true", help="print the report as one JSON object")
    for parser_of in (isolation, rollback):
        parser_of.add_argument(
            "--secure", action="store_true", help="on a broker that asks for TLS, login and rights"
        )
    watched_drills.configure(actions)
    held_drills.configure(actions)
    every = actions.add_parser(
        "all",
        help="hold isolation, rollback, alert, dashboards, security and restore",
        description=ALL_ABOUT,
        epilog="example: gnomon drill all --seconds 30",
    )
    every.add_argument(
        "--seconds",
        type=at_least_seconds(MIN_SECONDS),
        default=60.0,
        metavar="N",
        help="duration of the isolation drill's measurement (60)",
    )
    parser.epilog = "example: gnomon drill isolation"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run a drill and write its report to the data folder; return 0 if it passed, else 1.

    Raises:
        DrillError: A process of the drill has ended, so there is no result.
        StackError: A worker has ended, or did not follow within a minute.
    """
    if options.action == "all":
        return _run_all(options, settings)
    if options.action in held_drills.ACTIONS:
        return held_drills.run(options, settings)
    try:
        if options.action in watched_drills.ACTIONS:
            return watched_drills.run(options, settings)
        if options.action == "rollback":
            return _run_rollback(options, settings)
        return _run_isolation(options, settings)
    except asyncio.CancelledError:
        return CANCELLED


def _run_all(options: argparse.Namespace, settings: Settings) -> int:
    """Hold each drill; one that cannot be held does not keep the others from being held."""
    outcomes: dict[str, str] = {}
    for name, defaults in ALL:
        say(f"== drill {name}")
        chosen = argparse.Namespace(
            action=name, json=False, **{"seconds": options.seconds, **defaults}
        )
        try:
            status = run(chosen, settings)
        except GnomonError as error:
            outcomes[name] = f"NOT HELD: {error}"
        else:
            if status == CANCELLED:
                return CANCELLED
            outcomes[name] = "FAIL" if status else "PASS"
    for name, outcome in outcomes.items():
        print(f"{name:<11} {outcome}")
    return 0 if set(outcomes.values()) == {"PASS"} else 1


def _run_isolation(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.operations.isolation_report import report_path  # noqa: PLC0415

    report = asyncio.run(_isolation(options, settings))
    place = report_path(settings.data_dir)
    keep(place, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    _show(report, place, as_json=options.json)
    return 0 if report.passed else 1


def _run_rollback(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.drill.rollback import encode_report  # noqa: PLC0415  only in gnomon[all]

    report = asyncio.run(_rollback(options, settings))
    place = report_place("rollback", settings)
    keep(place, encode_report(report))
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        for move, by_partition in report.switched_s.items():
            longest = max(by_partition.values())
            print(f"{move:<9} {longest:6.2f} s until all {len(by_partition)} partitions followed")
        print(f"predicted {report.predicted} of {report.tasks} tasks, {report.workers} workers")
        print(f"{'PASS' if report.passed else 'FAIL'}; written: {place}")
    return 0 if report.passed else 1


async def _isolation(options: argparse.Namespace, settings: Settings) -> "Report":
    from gnomon.drill.isolation import Isolation, plan  # noqa: PLC0415  only in gnomon[all]

    async with own_stack(settings, shadow_workers=1, secure=options.secure) as stack:
        planned = plan(seconds=options.seconds, rate_per_s=options.rate)
        drill = Isolation(stack, plan=planned, progress=say)
        return await drill.run(at_ms=time.time_ns() // 1_000_000)


async def _rollback(options: argparse.Namespace, settings: Settings) -> "RollbackReport":
    from gnomon.drill.rollback import RollbackDrill  # noqa: PLC0415  only in gnomon[all]

    async with own_stack(settings, shadow_workers=2, secure=options.secure) as stack:
        drill = RollbackDrill(stack, workers=2, rate_per_s=options.rate, progress=say)
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


def _rate(text: str) -> float:
    value = float(text)
    if not 1.0 <= value <= 10_000.0:  # noqa: PLR2004  as the message says
        raise argparse.ArgumentTypeError(f"expected 1 to 10000, got {text!r}")
    return value

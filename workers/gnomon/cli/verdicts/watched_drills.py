"""``gnomon drill alert``, ``dashboards`` and ``restore``."""

import argparse
import asyncio
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gnomon.cli.texts.saying import say
from gnomon.cli.verdicts.held_drills import keep, report_place
from gnomon.cli.verdicts.own_stack import own_stack
from gnomon.settings import Settings

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

    from gnomon.drill.monitoring.alert import AlertReport
    from gnomon.drill.monitoring.dashboards import DashboardsReport
    from gnomon.drill.restore import RestoreReport

ACTIONS: Final = frozenset({"alert", "dashboards", "restore"})
FAULTS: Final = ("dead-letter", "frozen-worker")
"""As in ``gnomon.drill.monitoring.alert``, whose import takes long; a test compares the two."""
NEEDS: Final = " It needs Prometheus: apt-get install prometheus prometheus-alertmanager."
ALERT_ABOUT = (
    "A broker and workers of its own, with a real Prometheus and Alertmanager that have the rules and routes"
    " of deploy/: the drill causes each fault, and reports the seconds until the notice arrives. Exit status 0"
    " if each took at most 20 s beside the waiting time of its rule; else 1." + NEEDS
)
DASHBOARDS_ABOUT = (
    "A broker and workers of its own, agents, a gateway and a real Prometheus: every query of every panel of"
    " deploy/grafana is asked until it has data. Exit status 0 if all have; else 1." + NEEDS
)
RESTORE_ABOUT = (
    "Copies the SQLite store and the key file into an empty folder and opens every decision of the copy; or"
    " opens the store that --store-url names, which was restored from a backup. Exit status 0 if none is"
    " missing and all open; else 1."
)


def configure(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Set up the three."""
    alert = actions.add_parser(
        "alert",
        help="seconds from a real fault until somebody is told",
        description=ALERT_ABOUT,
        epilog="example: gnomon drill alert --fault dead-letter",
    )
    alert.add_argument(
        "--fault",
        action="append",
        choices=FAULTS,
        help="cause this one only; may be repeated (default: all, one after the other)",
    )
    dashboards = actions.add_parser(
        "dashboards",
        help="does every panel of the Grafana dashboards have data",
        description=DASHBOARDS_ABOUT,
        epilog="example: gnomon drill dashboards",
    )
    restore = actions.add_parser(
        "restore",
        help="can decisions be read from a backup of store and key alone",
        description=RESTORE_ABOUT,
        epilog="example: gnomon drill restore",
    )
    restore.add_argument("--store-url", metavar="URL", help="a store restored from a backup")
    restore.add_argument("--key-file", metavar="F", help="a key file restored from a backup")
    for parser in (alert, dashboards, restore):
        parser.add_argument(
            "--json", action="store_true", help="print the report as one JSON object"
        )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run one of the three and write its report to the data folder; return 0 if it passed, else 1.

    Raises:
        ConfigurationError: Prometheus or Alertmanager is not installed, or there is no store.
        DrillError: A program does not work, so there is no result.
        StackError: A worker has ended.
    """
    if options.action == "restore":
        return _restore(options, settings)
    if options.action == "alert":
        alert = asyncio.run(_alert(options, settings))
        from gnomon.drill.monitoring.alert import lines  # noqa: PLC0415  only in gnomon[all]

        return _kept(alert, lines(alert), settings, as_json=options.json)
    dashboards = asyncio.run(_dashboards(settings))
    shown = [f"no data: {query}" for query in dashboards.empty]
    having = dashboards.queries - len(dashboards.empty)
    shown.append(f"{having} of {dashboards.queries} queries have data")
    return _kept(dashboards, shown, settings, as_json=options.json)


async def _alert(options: argparse.Namespace, settings: Settings) -> "AlertReport":
    from gnomon.drill.monitoring.programs import find_programs  # noqa: PLC0415  only in gnomon[all]

    find_programs("prometheus", "alertmanager", drill="alert")  # before what takes long
    from gnomon.drill.monitoring.alert import AlertDrill  # noqa: PLC0415

    async with own_stack(settings) as stack:
        drill = AlertDrill(stack, faults=options.fault or FAULTS, progress=say)
        return await drill.run(at_ms=_now_ms())


async def _dashboards(settings: Settings) -> "DashboardsReport":
    from gnomon.drill.monitoring.programs import find_programs  # noqa: PLC0415  only in gnomon[all]

    find_programs("prometheus", drill="dashboards")
    from gnomon.drill.monitoring.dashboards import DashboardsDrill  # noqa: PLC0415

    async with own_stack(settings, secure=True) as stack:
        return await DashboardsDrill(stack, progress=say).run(at_ms=_now_ms())


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.drill import restore  # noqa: PLC0415  only in gnomon[workers]

    given = None
    if options.store_url or options.key_file:
        given = dataclasses.replace(
            settings,
            store_url=options.store_url or settings.store_url,
            key_file=options.key_file or settings.key_file,
            key="" if options.key_file else settings.key,
        )
    with tempfile.TemporaryDirectory(prefix="gnomon-restore-") as folder:
        report = restore.run(
            settings, Path(folder), restored=given, at_ms=_now_ms(), clock_s=time.monotonic
        )
    shown = [
        f"{report.opened} of {report.restored} decisions open, {report.shredded} are of shredded scopes;"
        f" {report.stored} were stored;"
        f" {report.took_s:.1f} s"
    ]
    return _kept(report, shown, settings, as_json=options.json)


def _kept(
    report: "AlertReport | DashboardsReport | RestoreReport",
    shown: Sequence[str],
    settings: Settings,
    *,
    as_json: bool,
) -> int:
    """Keep and print a report; return the exit status."""
    place = report_place(report.drill, settings)
    keep(place, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        for line in shown:
            print(line)
        print(f"{'PASS' if report.passed else 'FAIL'}; written: {place}")
    return 0 if report.passed else 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""``gnomon drill security`` and ``record``: drills that need no stack of their own."""

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gnomon.errors import KeyUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

ACTIONS: Final = frozenset({"security", "record"})
MEASURED: Final = ("isolation", "rollback", "security", "restore")
SECURITY_ABOUT = (
    "Reads the newest decisions of the store: each must open with the configured key, show no id in its"
    " stored bytes, and be refused with a changed byte, under another id and with another key. Nothing"
    " is changed. Exit status 0 if all of this holds; else 1."
)
RECORD_ABOUT = (
    "Writes the outcome of a drill that people held, such as an alert that reached somebody, to the data"
    " folder. The checklist of gnomon verdict looks for alert and dashboards; GO requires alert."
)


def configure(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Set up ``gnomon drill security`` and ``record``."""
    security = actions.add_parser(
        "security",
        help="are stored decisions sealed, and does every change of them show",
        description=SECURITY_ABOUT,
        epilog="example: gnomon drill security",
    )
    security.add_argument("--json", action="store_true", help="print the report as one JSON object")
    record = actions.add_parser(
        "record",
        help="note the outcome of a drill that people held",
        description=RECORD_ABOUT,
        epilog="example: gnomon drill record alert --passed",
    )
    record.add_argument("name", type=_name, metavar="NAME", help="alert, dashboards, or another")
    outcome = record.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--passed", action="store_true", help="it went as it should")
    outcome.add_argument("--failed", action="store_true", help="it did not")
    record.add_argument("--note", default="", metavar="TEXT", help="who saw what; it is kept")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the security drill or note a drill; return 0 if the security drill passed, else 1.

    Raises:
        StoreUnavailableError: The store does not answer.
        ConfigurationError: There is no store.
    """
    return (
        _security(options, settings) if options.action == "security" else _record(options, settings)
    )


def _security(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.drill import security  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.store import DecisionStore, open_ring  # noqa: PLC0415  only in gnomon[workers]

    store, keyring = DecisionStore(settings.store_url), None
    try:
        keyring = open_ring(settings, store)
    except KeyUnavailableError as error:
        print(f"gnomon: {error}", file=sys.stderr)
    try:
        report = security.run(keyring, store, at_ms=_now_ms())
    finally:
        store.close()
    place = report_place("security", settings)
    keep(place, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        for name, holds in report.checks.items():
            print(f"{name:<13} {'holds' if holds else 'DOES NOT HOLD'}")
        print(f"{report.decisions} decisions, key {report.key_id or 'none'}")
        print(f"{'PASS' if report.passed else 'FAIL'}; written: {place}")
    return 0 if report.passed else 1


def _record(options: argparse.Namespace, settings: Settings) -> int:
    held = {
        "drill": options.name,
        "at_ms": _now_ms(),
        "passed": options.passed,
        "note": options.note,
    }
    place = report_place(options.name, settings)
    keep(place, msgspec.json.format(msgspec.json.encode(held), indent=2) + b"\n")
    print(f"written: {place}")
    return 0


def report_place(name: str, settings: Settings) -> Path:
    """Return the path at which the report of a drill is kept."""
    return Path(settings.data_dir) / "drills" / name / "report.json"


def keep(place: Path, report: bytes) -> None:
    """Write the report of a drill; it replaces the one before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(report)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", text) or text in MEASURED:
        raise argparse.ArgumentTypeError(
            f"expected small letters, digits and -, and none of {', '.join(MEASURED)}: got {text!r}"
        )
    return text

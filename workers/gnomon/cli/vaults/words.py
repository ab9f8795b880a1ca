"""What commands of the vault share: arguments, times and periods, and a decision as one line."""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gnomon.store.moving import Chosen

_AGE: Final = re.compile(r"([1-9]\d{0,5})([hd])")
_HOUR_MS: Final = 3_600_000
STATUSES: Final = ("matched", "expired", "cancelled")


def utc(at_ms: int) -> str:
    """Return a time for people; the number itself if no calendar has it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(at_ms)


def instant(word: str) -> int:
    """Return a time in ISO 8601 as epoch milliseconds; without an offset it is UTC.

    Raises:
        argparse.ArgumentTypeError: It is no time.
    """
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word} is not a time such as 2026-11-02") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def age(word: str) -> int:
    """Return a period such as ``90d`` or ``12h`` in milliseconds.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    found = _AGE.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"{word} is not a period such as 90d or 12h")
    return int(found[1]) * _HOUR_MS * (24 if found[2] == "d" else 1)


def declare_opening(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of a command that opens decisions."""
    parser.add_argument(
        "--sealing-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="private key that opens what the agent sealed; may be given several times",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit")


def positive(word: str) -> int:
    """Return a number above zero.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = int(word)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a positive number")
    return number


def add_choice(parser: Any) -> None:
    """Declare which decisions are meant."""
    parser.add_argument(
        "--since", type=instant, metavar="T", help="that ended at this time or later"
    )
    parser.add_argument("--until", type=instant, metavar="T", help="that ended before this time")
    parser.add_argument("--scope", metavar="S", help="of this scope")
    parser.add_argument("--status", choices=STATUSES, help="with this status")


def chosen(options: argparse.Namespace) -> "Chosen":
    """Return which decisions the options mean."""
    from gnomon.store.moving import Chosen  # noqa: PLC0415  only in gnomon[workers]

    return Chosen(
        since_ms=options.since,
        until_ms=options.until,
        scope=options.scope,
        status=options.status,
    )

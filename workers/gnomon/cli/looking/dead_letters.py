"""``gnomon dead-letters``: shows records that no stage could process, and publishes them again."""

import argparse
import asyncio
import base64
import heapq
import logging
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.operations.dead_letters import DeadLetterFilter, DeadLetterRecord

ASK_ABOVE = 100
"""More dead letters than this are published again only with ``--yes``."""
SHOWN = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="how many there are and why; the newest of them")
    _add_filters(listing)
    listing.add_argument(
        "--limit", type=int, default=SHOWN, help="show at most so many (default: %(default)s)"
    )
    show = actions.add_parser("show", help="one of them with its headers and its value")
    show.add_argument("place", type=_place, metavar="PARTITION:OFFSET")
    redrive = actions.add_parser(
        "redrive",
        help="send them back to where they came from: every stage that reads there sees them again",
    )
    _add_filters(redrive)
    redrive.add_argument(
        "--id",
        action="append",
        type=_place,
        default=[],
        metavar="PARTITION:OFFSET",
        help="only this one; may be repeated",
    )
    redrive.add_argument("--yes", action="store_true", help=f"needed to send more than {ASK_ABOVE}")
    parser.epilog = (
        "examples:\n"
        "  gnomon dead-letters list --reason stage_error\n"
        "  gnomon dead-letters show 2:17\n"
        "  gnomon dead-letters redrive --id 2:17    # after the cause is mended"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="R", help="only those with this reason")
    parser.add_argument("--stage", metavar="S", help="only those of this stage")


def _place(text: str) -> str:
    if not re.fullmatch(r"[0-9]+:[0-9]+", text):
        raise argparse.ArgumentTypeError(f"expected PARTITION:OFFSET, got {text!r}")
    partition, offset = text.split(":")
    return f"{int(partition)}:{int(offset)}"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 1 if the requested dead letter does not exist."""
    from gnomon.operations.dead_letters import DeadLetterFilter  # noqa: PLC0415

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error message is enough
    if options.action == "show":
        return asyncio.run(_show(DeadLetterFilter(ids=frozenset({options.place})), settings))
    if options.action == "list":
        selected = DeadLetterFilter(reason=options.reason, stage=options.stage)
        return asyncio.run(_list(selected, options.limit, settings))
    selected = DeadLetterFilter(
        reason=options.reason, stage=options.stage, ids=frozenset(options.id)
    )
    return asyncio.run(_redrive(selected, settings, sure=options.yes))


def _read(selected: "DeadLetterFilter", settings: Settings) -> "AsyncIterator[DeadLetterRecord]":
    from gnomon.operations.dead_letters import read_dead_letters  # noqa: PLC0415

    return read_dead_letters(kafka=settings.kafka, prefix=settings.topic_prefix, selected=selected)


async def _list(selected: "DeadLetterFilter", limit: int, settings: Settings) -> int:
    """Print dead letters; only those shown are kept in memory, because there may be millions."""
    counts: Counter[tuple[str, str]] = Counter()
    newest: list[tuple[int, int, int, DeadLetterRecord]] = []
    async for letter in _read(selected, settings):
        counts[letter.headers.get("stage", "?"), letter.headers.get("reason", "?")] += 1
        heapq.heappush(newest, (letter.at_ms, letter.partition, letter.offset, letter))
        if len(newest) > limit:
            heapq.heappop(newest)
    for *_, letter in sorted(newest, reverse=True):
        about = letter.headers
        print(
            f"{letter.id:>9}  {_time(letter.at_ms)}  {about.get('stage', '?'):<10} "
            f"{about.get('reason', '?'):<12} {_origin(letter)}  {about.get('detail', '')}".rstrip()
        )
    if counts.total() > len(newest):
        print(f"… and {counts.total() - len(newest)} older")
    print(f"{counts.total()} dead letters")
    for (stage, reason), count in counts.most_common():
        print(f"{count:>9}  {stage} {reason}")
    return 0


async def _show(selected: "DeadLetterFilter", settings: Settings) -> int:
    async for letter in _read(selected, settings):
        print(f"letter     {letter.id}  {_time(letter.at_ms)}")
        for name, value in letter.headers.items():
            print(f"{name:<10} {value}")
        print(f"key        {_readable(letter.key)}")
        print(f"value      {_readable(letter.value)}")
        return 0
    print(f"gnomon dead-letters: there is no letter {min(selected.ids)}", file=sys.stderr)
    return 1


async def _redrive(selected: "DeadLetterFilter", settings: Settings, *, sure: bool) -> int:
    from gnomon.operations.dead_letters import redrive  # noqa: PLC0415

    places = {letter.id async for letter in _read(selected, settings)}
    if missing := selected.ids - places:
        print(
            f"gnomon dead-letters: there is no letter {', '.join(sorted(missing))}",
            file=sys.stderr,
        )
        return 1
    if len(places) > ASK_ABOVE and not sure:
        print(
            f"gnomon dead-letters: that would send {len(places)} records: add --yes",
            file=sys.stderr,
        )
        return 2
    sent = 0
    async for letter in redrive(_read(selected, settings), kafka=settings.kafka):
        print(f"{letter.id} -> {_origin(letter)}")
        sent += 1
    print(f"{sent} of {len(places)} sent back; what fails again becomes a new dead letter")
    return 0 if sent >= len(places) else 1


def _origin(letter: "DeadLetterRecord") -> str:
    about = letter.headers
    return f"{about.get('topic', '?')}[{about.get('partition', '?')}]@{about.get('offset', '?')}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _readable(raw: bytes | None) -> str:
    """Return printable text as it is, else base64: a terminal obeys control characters."""
    if raw is None:
        return "(none)"
    text = raw.decode(errors="replace")
    if "\ufffd" in text or not all(c.isprintable() or c in "\n\t" for c in text):
        return f"base64:{base64.b64encode(raw).decode()}"
    return text

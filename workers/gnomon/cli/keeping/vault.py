"""``gnomon vault``: list sealed decisions, or open one."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gnomon import codec
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.events import Comparison, SealedDecision
    from gnomon.store import DecisionStore


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "example: gnomon vault list --limit 5"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the decisions that ended last; needs no key")
    listing.add_argument(
        "--limit", type=_positive, default=20, metavar="N", help="most to list (20)"
    )
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")
    reading = actions.add_parser("read", help="open one decision")
    reading.add_argument("id", metavar="ID", help="id of a decision or of a task")
    reading.add_argument("--json", action="store_true", help="print JSON on one line")
    reading.add_argument(
        "--sealing-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="private key that opens what the agent sealed; may be given several times",
    )
    reading.epilog = "example: gnomon vault read pr-18842 --sealing-key sealing.pem"
    actions.add_parser("stats", help="count the decisions, and show their period; needs no key")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 1 if there is no such decision, else 0.

    Raises:
        ConfigurationError: There is no store, or a key is missing or does not open it.
        StoreUnavailableError: The store does not answer.
        UnreadableError: The decision, or a payload that the agent sealed, cannot be opened.
    """
    from gnomon.store import DecisionStore  # noqa: PLC0415  only in gnomon[workers]

    store = DecisionStore(settings.store_url)
    try:
        store.check()
        if options.action == "list":
            return _list(store, limit=options.limit, as_json=options.json)
        if options.action == "stats":
            return _stats(store)
        found = find(store, settings, wanted=options.id)
        if found is None:
            return 1
        _print(found, sealing_keys=options.sealing_key, as_json=options.json)
        return 0
    finally:
        store.close()


def _list(store: "DecisionStore", *, limit: int, as_json: bool) -> int:
    for sealed in store.recent(limit):
        print(json.dumps(_outside(sealed)) if as_json else _line(sealed))
    return 0


def _outside(sealed: "SealedDecision") -> dict[str, object]:
    """Return the fields of a decision that can be read without a key."""
    return {
        "decision_id": sealed.decision_id,
        "status": sealed.status,
        "started_at_ms": sealed.started_at_ms,
        "ended_at_ms": sealed.ended_at_ms,
        "key_id": sealed.key_id,
    }


def _line(sealed: "SealedDecision") -> str:
    started, ended = _utc(sealed.started_at_ms), _utc(sealed.ended_at_ms)
    return f"{sealed.decision_id}  {sealed.status:<9}  {started}  {ended}"


def _stats(store: "DecisionStore") -> int:
    summary = store.summary()
    first, last = summary.first_ended_at_ms, summary.last_ended_at_ms
    print(f"store      {store.name}")
    print(f"decisions  {summary.decisions}")
    for status, count in summary.by_status.items():
        print(f"  {status:<9}{count}")
    if first is not None and last is not None:
        print(f"ended      {_utc(first)} to {_utc(last)}")
    print(f"sealed     {summary.sealed_bytes} bytes")
    print(f"keys       {summary.keys}")
    return 0


def find(store: "DecisionStore", settings: Settings, *, wanted: str) -> "Comparison | None":
    """Return the decision with the id ``wanted``, or the newest on this task; say if there is none."""
    from gnomon.operations.models.decision_finder import find_decision  # noqa: PLC0415

    decision, unreadable = find_decision(store, settings, wanted=wanted)
    if unreadable:
        print(f"gnomon: {unreadable} newer decisions could not be opened", file=sys.stderr)
    if decision is None:
        print(f"gnomon: no decision or task {wanted!r} in {store.name}", file=sys.stderr)
    return decision


def with_payloads(decision: "Comparison", sealing_keys: Sequence[Path]) -> "Comparison":
    """Open what the agent sealed; say which keys open what remains sealed."""
    from gnomon import vault  # noqa: PLC0415  only in gnomon[workers]

    if sealing_keys:
        decision = vault.open_payloads(decision, map(vault.load_sealing_key, sealing_keys))
    for field, key in vault.sealed_for(decision).items():
        print(
            f"gnomon: the {field} is sealed for key {key}; to read it: --sealing-key FILE",
            file=sys.stderr,
        )
    return decision


def _print(decision: "Comparison", *, sealing_keys: Sequence[Path], as_json: bool) -> None:
    decision = with_payloads(decision, sealing_keys)
    line = codec.encode(decision)
    print((line if as_json else msgspec.json.format(line, indent=2)).decode())


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a positive number")
    return number

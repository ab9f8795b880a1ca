"""``gnomon vault prune``, ``hold``, ``holds`` and ``release``."""

import argparse
import getpass
import time
from typing import TYPE_CHECKING, Any

from gnomon.cli.texts.progress import progress
from gnomon.cli.vaults.words import age, instant, utc
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.store import DecisionStore

HOUR_MS = 3_600_000
"""Whole hours are deleted, because Merkle roots are those of hours."""
ACTIONS = ("prune", "hold", "holds", "release")


def configure(actions: Any) -> None:
    """Declare the actions among those of ``gnomon vault``."""
    pruning = actions.add_parser(
        "prune",
        help="delete decisions that are older than a period, with their numbers",
        description="Delete decisions that ended longer ago than a period, with their numbers, by whole hours."
        " Nothing is deleted that a hold keeps. Metrics, verdicts and Merkle roots stay.",
        epilog="example: gnomon vault prune --older-than 730d --dry-run",
    )
    pruning.add_argument(
        "--older-than", required=True, type=age, metavar="P", help="such as 730d or 12h"
    )
    pruning.add_argument("--scope", metavar="S", help="only of this scope")
    pruning.add_argument("--dry-run", action="store_true", help="only count them")
    holding = actions.add_parser(
        "hold",
        help="forbid the deletion of decisions until a time",
        epilog="example: gnomon vault hold --until 2028-01-01 --reason 'case 4711'",
    )
    holding.add_argument("--scope", default="*", metavar="S", help="only of this scope (all)")
    holding.add_argument("--until", required=True, type=instant, metavar="T", help="ISO 8601, UTC")
    holding.add_argument("--reason", required=True, metavar="TEXT", help="why")
    actions.add_parser("holds", help="list the holds, also those whose time has passed")
    releasing = actions.add_parser(
        "release", help="delete a hold", epilog="example: gnomon vault release 3f9c1a2b"
    )
    releasing.add_argument("id", metavar="ID", help="its id, from gnomon vault holds")


def run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    """Run one of ``ACTIONS``; return 1 if there is no such hold, else 0.

    Raises:
        ConfigurationError: A hold forbids the deletion.
        KeyUnavailableError: There is no key to seal what the roots say of a deletion, or another store's.
        StoreUnavailableError: The store does not answer.
    """
    now_ms = time.time_ns() // 1_000_000
    if options.action == "prune":
        return _prune(options, settings, store, now_ms)
    if options.action == "hold":
        made = store.retention.hold(
            scope=options.scope,
            until_ms=options.until,
            reason=options.reason,
            made_by=getpass.getuser(),
            now_ms=now_ms,
        )
        print(f"hold {made.id} until {utc(made.until_ms)}")
        return 0
    if options.action == "holds":
        for hold in store.retention.holds():
            over = "" if hold.until_ms > now_ms else "  (over)"
            print(f"{hold.id}  {hold.scope}  until {utc(hold.until_ms)}  {hold.reason}{over}")
        return 0
    is_released = store.retention.release(options.id)
    print(f"hold {options.id} {'released' if is_released else 'does not exist'}")
    return 0 if is_released else 1


def _prune(
    options: argparse.Namespace, settings: Settings, store: "DecisionStore", now_ms: int
) -> int:
    from gnomon.store import open_ring  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.store.moving import Chosen, SqlStore  # noqa: PLC0415
    from gnomon.store.opening import roots_of_commands  # noqa: PLC0415

    before_ms = (now_ms - options.older_than) // HOUR_MS * HOUR_MS
    store.retention.require_none_held(before_ms=before_ms, scope=options.scope, now_ms=now_ms)
    chosen = Chosen(until_ms=before_ms, scope=options.scope)
    if options.dry_run:
        found = SqlStore(store).count(chosen)
        print(f"would delete {found:,} decisions that ended before {utc(before_ms)}")
        return 0
    roots = roots_of_commands(open_ring(settings, store), store)
    steps = store.retention.prune(
        before_ms=before_ms, scope=options.scope, now_ms=now_ms, roots=roots
    )
    deleted, total = 0, SqlStore(store).count(chosen)
    with progress() as told:
        told("deleting", deleted, total)
        for step in steps:
            deleted += step
            told("deleting", deleted, total)
    print(f"deleted {deleted:,} decisions that ended before {utc(before_ms)}")
    return 0

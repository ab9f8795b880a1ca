"""``gnomon vault list``, ``count``, ``stats`` and ``hash``: what can be seen of decisions without opening one."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from gnomon.cli.vaults.words import add_choice, chosen, positive, utc
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.events import SealedDecision
    from gnomon.store import DecisionStore

ACTIONS = ("list", "count", "stats", "hash")


def configure(actions: Any) -> None:
    """Declare the actions among those of ``gnomon vault``."""
    listing = actions.add_parser(
        "list",
        help="list the decisions that ended last; needs no key",
        epilog="example: gnomon vault list --since 2026-11-02 --status expired",
    )
    listing.add_argument(
        "--limit", type=positive, default=20, metavar="N", help="most to list (20)"
    )
    add_choice(listing)
    listing.add_argument("--agent", metavar="A", help="of this agent; needs the key")
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")
    counting = actions.add_parser(
        "count",
        help="count decisions; needs no key",
        epilog="example: gnomon vault count --since 2026-11-02 --until 2026-11-09",
    )
    add_choice(counting)
    actions.add_parser("stats", help="count the decisions, and show their period; needs no key")
    hashing = actions.add_parser(
        "hash",
        help="print what stands for an agent or a task type in the tables of numbers",
        epilog="example: gnomon vault hash router",
    )
    hashing.add_argument("id", metavar="NAME", help="the agent or the task type")
    hashing.add_argument("--scope", metavar="S", help="in this scope")


def run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    """Run one of ``ACTIONS``; return 0.

    Raises:
        KeyUnavailableError: A hash is needed, and there is no key.
        StoreUnavailableError: The store does not answer.
    """
    if options.action == "list":
        return _list(options, settings, store)
    if options.action == "stats":
        return _stats(store)
    if options.action == "hash":
        print(word_of(options.id, settings, store, scope=options.scope))
        return 0
    from gnomon.store.moving import SqlStore  # noqa: PLC0415  only in gnomon[workers]

    print(SqlStore(store).count(chosen(options)))
    return 0


def word_of(name: str, settings: Settings, store: "DecisionStore", *, scope: str | None) -> str:
    """Return what stands for an id in the tables of numbers.

    Raises:
        KeyUnavailableError: There is no key, or it is of another store.
    """
    from gnomon.store import open_ring  # noqa: PLC0415
    from gnomon.vault import check_key, word_for  # noqa: PLC0415
    from gnomon.vault.scopes import DEFAULT  # noqa: PLC0415

    ring = open_ring(settings, store)
    check_key(ring, store.canary)
    return word_for(settings.query_ids, ring, store.index_keys, scope=scope or DEFAULT)(name)


def _list(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    agent = None
    if options.agent is not None:
        agent = word_of(options.agent, settings, store, scope=options.scope)
    for sealed in store.newest(chosen(options), limit=options.limit, agent=agent):
        print(json.dumps(_outside(sealed)) if options.json else _line(sealed))
    return 0


def _outside(sealed: "SealedDecision") -> dict[str, object]:
    """Return the fields of a decision that can be read without a key."""
    return {
        "decision_id": sealed.decision_id,
        "status": sealed.status,
        "started_at_ms": sealed.started_at_ms,
        "ended_at_ms": sealed.ended_at_ms,
        "key_id": sealed.key_id,
        "scope": sealed.scope,
    }


def _line(sealed: "SealedDecision") -> str:
    started, ended = utc(sealed.started_at_ms), utc(sealed.ended_at_ms)
    return f"{sealed.decision_id}  {sealed.status:<9}  {started}  {ended}"


def _stats(store: "DecisionStore") -> int:
    summary = store.summary()
    first, last = summary.first_ended_at_ms, summary.last_ended_at_ms
    print(f"store      {store.name}")
    print(f"decisions  {summary.decisions}")
    for status, count in summary.by_status.items():
        print(f"  {status:<9}{count}")
    if first is not None and last is not None:
        print(f"ended      {utc(first)} to {utc(last)}")
    print(f"sealed     {summary.sealed_bytes} bytes")
    print(f"keys       {summary.keys}")
    return 0

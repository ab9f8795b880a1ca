"""``gnomon vault``: open sealed decisions, list, copy and delete them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gnomon import codec
from gnomon.cli.keeping import vault_prove, vault_verify
from gnomon.cli.vaults import hypertables, listing, moving, retaining
from gnomon.cli.vaults.words import declare_opening
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.events import Comparison
    from gnomon.store import DecisionStore


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "example: gnomon vault list --limit 5"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing.configure(actions)
    reading = actions.add_parser("read", help="open one decision")
    reading.add_argument("id", metavar="ID", help="id of a decision or of a task")
    reading.add_argument("--json", action="store_true", help="print JSON on one line")
    declare_opening(reading)
    reading.epilog = "example: gnomon vault read pr-18842 --sealing-key sealing.pem"
    vault_verify.configure(actions)
    vault_prove.configure(actions)
    moving.configure(actions)
    retaining.configure(actions)
    hypertables.configure(actions)
    actions.add_parser(
        "upgrade",
        help="create the store's tables, or upgrade those of an earlier release",
        description="Create the store's tables, or upgrade those of an earlier release, in one transaction."
        " The vault worker does the same when it starts; it may lack the right to.",
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 1 if there is no such decision, else 0.

    Raises:
        ConfigurationError: There is no store, or a key is missing or does not open it.
        StoreUnavailableError: The store does not answer.
        UnreadableError: The decision, or a payload that the agent sealed, cannot be opened.
    """
    from gnomon.store import DecisionStore  # noqa: PLC0415  only in gnomon[workers]

    if options.action == "prove" and options.check is not None:
        return vault_prove.check(options)
    store = DecisionStore(settings.store_url)
    try:
        if options.action not in {"upgrade", "import"}:  # these make the tables
            store.check()
        return _run(options, settings, store)
    finally:
        store.close()


def _run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    if options.action == "upgrade":
        return _upgrade(store)
    if options.action == "verify":
        return vault_verify.run(options, settings, store)
    if options.action == "prove":
        return vault_prove.prove(options, store)
    for actions, run_action in (
        (listing.ACTIONS, listing.run),
        (moving.ACTIONS, moving.run),
        (retaining.ACTIONS, retaining.run),
        (hypertables.ACTIONS, hypertables.run),
    ):
        if options.action in actions:
            return run_action(options, settings, store)
    found = find(
        store, settings, wanted=options.id, command="gnomon vault read", reason=options.reason
    )
    if found is None:
        return 1
    _print(found, sealing_keys=options.sealing_key, as_json=options.json)
    return 0


def _upgrade(store: "DecisionStore") -> int:
    is_changed = store.create()
    done = "upgraded to revision" if is_changed else "has revision"
    print(f"store {store.name} {done} {store.revision}{'' if is_changed else ' already'}")
    return 0


def find(
    store: "DecisionStore", settings: Settings, *, wanted: str, command: str, reason: str
) -> "Comparison | None":
    """Return the decision with the id ``wanted``, or the newest on this task; say if there is none."""
    from gnomon.operations.models.decision_finder import find_decision  # noqa: PLC0415

    decision, unreadable = find_decision(
        store, settings, wanted=wanted, command=command, reason=reason
    )
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

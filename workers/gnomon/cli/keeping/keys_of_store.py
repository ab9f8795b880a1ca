"""The actions of ``gnomon keys`` on the keys of a store."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gnomon.cli.texts.progress import progress
from gnomon.errors import ConfigurationError
from gnomon.events import AuditAction
from gnomon.operations.audit import Use, audited
from gnomon.operations.keys.listing import Listed, check_all, list_keys
from gnomon.operations.keys.reencrypting import reencrypt
from gnomon.operations.keys.rewrapping import rewrap, rotate_scope
from gnomon.operations.keys.shredding import shred
from gnomon.operations.keys.vault_keys import VaultKeys, vault_keys
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.text_table import aligned
from gnomon.vault import check_key, load_key
from gnomon.vault.providers.local import add_key


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; see ``gnomon.cli.keeping.keys``."""
    return _ACTIONS[options.action](options, settings)


def _list(options: argparse.Namespace, settings: Settings) -> int:
    with vault_keys(settings) as keys:
        listed = list_keys(keys, data_keys=options.data_keys)
    if options.json:
        for each in listed:
            print(msgspec.json.encode(each).decode())
        return 0
    if not listed:
        print("no keys yet")
        return 0
    heads = ("scope", "id", "state", "wrapped by", "made", "records")
    print(aligned([heads, *(_cells(each) for each in listed)], left=range(len(heads) - 1)))
    return 0


def _cells(key: Listed) -> tuple[str, ...]:
    made = _utc(key.created_at_ms)
    return (key.scope, key.id, key.state, key.provider, made, str(key.records))


def _rotate(options: argparse.Namespace, settings: Settings) -> int:
    if options.scope is None:
        return _rotate_file(settings)
    with vault_keys(settings) as keys:
        keys.check()
        keys.require_scope(options.scope)
        with _audited(keys, "key_rotated", options) as use:
            row = rotate_scope(keys, options.scope)
            use.detail = row.id
    print(f"made key {row.id} of scope {row.scope} (generation {row.generation})")
    print("Workers use it for their next data keys, within an hour. Older keys still open.")
    return 0


def _rotate_file(settings: Settings) -> int:
    provider = settings.key_provider
    if (settings.key and not provider) or (provider and not provider.startswith("file://")):
        raise ConfigurationError(
            f"{load_key(settings).name} is not a key file, and its key is rotated where it is: then run gnomon"
            " keys rewrap"
        )
    path = Path(provider.removeprefix("file://") or settings.key_file)
    made = add_key(path)
    print(f"made key {made.id}, the first of {len(made.ids)} in {path}")
    print(
        "Back the file up and give it to every worker, which reads it again by itself. Then run gnomon keys"
        " rewrap; after that the other lines are needed for backups of the store alone."
    )
    return 0


def _rewrap(options: argparse.Namespace, settings: Settings) -> int:
    with vault_keys(settings) as keys:
        keys.check()
        with _audited(keys, "keys_rewrapped", options) as use:
            done = rewrap(keys)
            use.detail = f"{done.scope_keys} scope keys, {done.data_keys} data keys"
            use.unreadable = done.unreadable
        provider = keys.provider.id
    print(
        f"{done.scope_keys} scope keys are wrapped by {provider} now, {done.data_keys} data keys anew"
    )
    if done.unreadable:
        print(
            f"gnomon: {done.unreadable} keys could not be opened and are as they were",
            file=sys.stderr,
        )
    return 1 if done.unreadable else 0


def _reencrypt(options: argparse.Namespace, settings: Settings) -> int:
    with vault_keys(settings) as keys:
        keys.check()
        keys.require_scope(options.scope)
        with (
            _audited(keys, "reencrypted", options) as use,
            progress() as on_progress,
        ):
            total = keys.store.keys.sealed_in(options.scope)
            done = reencrypt(
                keys,
                options.scope,
                progress=lambda looked: on_progress(options.scope, looked, total),
            )
            use.records, use.unreadable = done
    print(f"sealed {done.records} decisions of {options.scope} anew")
    print(
        "Workers may seal with an older key for an hour: run it again then. The topic decisions keeps what it has"
        " for as long as it keeps records."
    )
    if done.unreadable:
        print(f"gnomon: {done.unreadable} decisions could not be opened", file=sys.stderr)
    return 1 if done.unreadable else 0


def _shred(options: argparse.Namespace, settings: Settings) -> int:
    if not options.yes:
        raise ConfigurationError(
            f"this makes every decision of {options.scope} unreadable for ever: add --yes if you mean it"
        )
    if settings.require_reason and not options.reason.strip():
        raise ConfigurationError("give a --reason: GNOMON_REQUIRE_REASON is set")
    with vault_keys(settings) as keys:
        keys.check()
        done = shred(keys, options.scope, command="gnomon keys shred", reason=options.reason)
    print(
        f"destroyed the keys of {options.scope}: {done.records} decisions can never be read again"
    )
    print(f"certificate {done.event.event_id}: gnomon keys audit")
    print(
        "A process that has opened them within the last hour may still hold a key in memory: restart it."
    )
    if done.is_in_backups:
        print(
            "gnomon: its keys were in the store itself, so backups of the store from before can still be opened:"
            " destroy them, and keep scope keys apart with GNOMON_SCOPE_KEYS_URL",
            file=sys.stderr,
        )
    return 0


def _audited(
    keys: VaultKeys, action: AuditAction, options: argparse.Namespace
) -> AbstractContextManager[Use]:
    return audited(
        keys.settings,
        keys.store,
        action,
        command=f"gnomon keys {options.action}",
        reason=getattr(options, "reason", ""),
        scope=getattr(options, "scope", None),
        key_id=keys.provider.id,
    )


def _audit(options: argparse.Namespace, settings: Settings) -> int:
    store = DecisionStore(settings.store_url)
    try:
        store.check()
        for event in store.audit.recent(options.limit):
            if options.json:
                print(json.dumps(msgspec.to_builtins(event)))
                continue
            ended = (
                "killed or running" if event.ended_at_ms is None else f"{event.records} decisions"
            )
            parts = (event.action, event.scope, ended, event.actor, event.command, event.reason)
            shown = "  ".join(part for part in (*parts, event.detail) if part)
            print(f"{_utc(event.at_ms)}  {shown}")
    finally:
        store.close()
    return 0


def _check(options: argparse.Namespace, settings: Settings) -> int:
    provider = load_key(settings)
    print(f"key {provider.id} from {provider.name}")
    with closing(DecisionStore(settings.store_url)) as store:
        if not store.exists():
            print(f"store {store.name}: does not exist yet")
            return 0
    with vault_keys(settings) as keys:
        if keys.store.canary.get() is None:
            print(f"store {keys.store.name}: contains no sealed record yet")
            return 0
        check_key(keys.ring, keys.store.canary)
        print(f"store {keys.store.name}: opens with this key")
        for table in keys.tables[:-1]:
            print(f"scope keys in {table.name}: back them up apart from the store")
        problems = check_all(keys) if options.all else []
    for problem in problems:
        print(f"gnomon: {problem}", file=sys.stderr)
    if options.all and not problems:
        print("every key that was not shredded can be unwrapped")
    return 1 if problems else 0


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, Settings], int]]] = {
    "list": _list,
    "rotate": _rotate,
    "rewrap": _rewrap,
    "reencrypt": _reencrypt,
    "shred": _shred,
    "audit": _audit,
    "check": _check,
}

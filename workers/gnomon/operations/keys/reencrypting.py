"""Seals the decisions of a scope anew, because their keys may have become known to somebody.

What is left to do is seen from the rows: those whose data key was not made under the scope's newest key. So a run
that was killed goes on where it ended, and records that workers store meanwhile are found by another pass.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec

from gnomon.errors import KeyDestroyedError, UnreadableError
from gnomon.events import SealedDecision
from gnomon.operations.keys.vault_keys import VaultKeys
from gnomon.store.roots import Addition, RootLog
from gnomon.vault import seal_bytes
from gnomon.vault.decisions import SCHEMA

_PAGE: Final = 500
Progress = Callable[[int], None]
"""Is called with the number of decisions that a pass has looked at."""


class Reencrypted(NamedTuple):
    """How many decisions were sealed anew, and how many could not be opened and were left."""

    records: int
    unreadable: int


class _Page(NamedTuple):
    last: str
    looked_at: int
    done: int
    unreadable: int


def reencrypt(keys: VaultKeys, scope: str, *, progress: Progress) -> Reencrypted:
    """Seal anew every decision of ``scope`` that an older key has sealed; rotate the scope first.

    Raises:
        KeyProviderUnavailableError: Whoever holds the key-encryption key does not answer.
        StoreUnavailableError: The store does not answer.
    """
    total = 0
    while True:
        done, unreadable = _pass(keys, scope, progress)
        total += done
        if not done:
            return Reencrypted(total, unreadable)


def _pass(keys: VaultKeys, scope: str, progress: Progress) -> Reencrypted:
    older, after = _older_keys(keys, scope), ""
    done = unreadable = looked_at = 0
    while True:
        page = keys.roots.together(partial(_page, keys, scope, after, older))
        if page is None:
            return Reencrypted(done, unreadable)
        after = page.last
        done += page.done
        unreadable += page.unreadable
        looked_at += page.looked_at
        progress(looked_at)


def _page(
    keys: VaultKeys, scope: str, after: str, older: frozenset[str], log: RootLog
) -> tuple[_Page | None, Sequence[Addition]]:
    """Seal a page anew; return ``None`` behind the last, and what was added to the trees."""
    rows = keys.store.resealing.page(scope, after=after, limit=_PAGE)
    if not rows:
        return None, ()
    old = [row for row in rows if row.key_id in older]
    pairs = [(row, new) for row in old if (new := _resealed(keys, row)) is not None]
    written = _replaced(keys, pairs, log)
    page = _Page(
        last=rows[-1].decision_id,
        looked_at=len(rows),
        done=len(pairs) if written else 0,
        unreadable=len(old) - len(pairs),
    )
    return page, written


def _older_keys(keys: VaultKeys, scope: str) -> frozenset[str]:
    newest = keys.tables[0].newest(scope)
    current = None if newest is None else newest.id
    return frozenset(row.kid for row in keys.store.keys.all(scope) if row.made_under != current)


def _resealed(keys: VaultKeys, row: SealedDecision) -> SealedDecision | None:
    ring = keys.ring
    try:
        key_id, sealed = seal_bytes(
            ring,
            decision_id=row.decision_id,
            plain=ring.open(row.sealed, record_id=row.decision_id, schema=SCHEMA, scope=row.scope),
            scope=row.scope,
        )
    except UnreadableError:
        return None
    return msgspec.structs.replace(row, sealed=sealed, key_id=key_id)


def _replaced(
    keys: VaultKeys, pairs: Sequence[tuple[SealedDecision, SealedDecision]], log: RootLog
) -> Sequence[Addition]:
    if not pairs:
        return ()
    try:
        rows = keys.ring.rows_of(new.key_id for _, new in pairs)
        return (keys.store.resealing.replace(pairs, keys=rows, log=log),)
    except KeyDestroyedError as error:
        keys.ring.forget(error.key_ids)
        return ()

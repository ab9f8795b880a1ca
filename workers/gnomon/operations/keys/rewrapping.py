"""Rewraps keys: no record is touched, and what was wrapped by an older key no longer needs it."""

from collections.abc import Mapping
from typing import NamedTuple

from gnomon.errors import UnreadableError
from gnomon.operations.keys.vault_keys import VaultKeys, now_ms
from gnomon.vault import KeyEncryptionKey, KeyRow, ScopeKeyRow
from gnomon.vault.keys import SHREDDED, Unwraps, rewrap_data_key
from gnomon.vault.scopes import ScopeKeys, new_scope_key, rewrap_scope_key, unwrap_scope_key
from gnomon.vault.tamper import SCOPE as ROOTS_SCOPE


class Rewrapped(NamedTuple):
    """How many keys were rewrapped, and how many could not be opened."""

    scope_keys: int
    data_keys: int
    unreadable: int


def rotate_scope(keys: VaultKeys, scope: str) -> ScopeKeyRow:
    """Make a new key for ``scope``, which wraps its data keys from now on.

    Raises:
        KeyProviderUnavailableError: Whoever holds the key-encryption key does not answer.
        StoreUnavailableError: A database does not answer.
    """
    table = keys.tables[0]
    while True:
        newest = table.newest(scope)
        row = new_scope_key(
            keys.provider,
            scope=scope,
            generation=1 if newest is None else newest.generation + 1,
            created_at_ms=now_ms(),
        )
        if table.add(row):
            return row


def rewrap(keys: VaultKeys) -> Rewrapped:
    """Wrap every scope key by the key-encryption key in force, and every data key by its scope's newest key.

    Raises:
        KeyProviderUnavailableError: Whoever holds the key-encryption key does not answer.
        StoreUnavailableError: A database does not answer.
    """
    scope_keys, unreadable = _rewrap_scope_keys(keys)
    data_keys, more = _rewrap_data_keys(keys)
    return Rewrapped(scope_keys, data_keys, unreadable + more)


def _rewrap_scope_keys(keys: VaultKeys) -> tuple[int, int]:
    current: dict[str, bool] = {}
    done = unreadable = 0
    for table in keys.tables:
        for row in table.all():
            if row.state == SHREDDED:
                continue
            if row.kek_id not in current:
                current[row.kek_id] = keys.provider.is_current(row.kek_id)
            if current[row.kek_id]:
                continue
            try:
                done += table.rewrap(row, rewrap_scope_key(keys.provider, row))
            except UnreadableError:
                unreadable += 1
    return done, unreadable


def _rewrap_data_keys(keys: VaultKeys) -> tuple[int, int]:
    wrappers = _Wrappers(keys)
    done = unreadable = 0
    for row in keys.store.keys.all():
        if row.state == SHREDDED:
            continue
        by = wrappers.newest(row.scope)
        if row.kek_id == by.id:
            continue
        try:
            done += keys.store.keys.rewrap(row, rewrap_data_key(wrappers.of(row), row, by=by))
        except UnreadableError:
            unreadable += 1
    return done, unreadable


class _Wrappers:
    """Unwrapped scope keys of one run, each unwrapped once."""

    def __init__(self, keys: VaultKeys) -> None:
        self._keys = keys
        self._rows: Mapping[str, ScopeKeyRow] = {
            row.id: row for table in reversed(keys.tables) for row in table.all()
        }
        self._by_id: dict[str, KeyEncryptionKey] = {}
        self._newest: dict[str, KeyEncryptionKey] = {}

    def newest(self, scope: str) -> KeyEncryptionKey:
        """Return the key that wraps new data keys of ``scope``; it is made if there is none."""
        if scope not in self._newest:
            tables = self._keys.tables  # the store has the keys of its roots itself
            table = tables[-1] if scope == ROOTS_SCOPE else tables[0]
            sealing = ScopeKeys(self._keys.provider, table)
            self._newest[scope] = sealing.sealing(scope, now_ms=now_ms())
        return self._newest[scope]

    def of(self, row: KeyRow) -> Unwraps:
        """Return what wraps ``row`` now: a scope key, or the provider itself in rows of an earlier gnomon."""
        if row.kek_id not in self._rows:
            return self._keys.provider
        if row.kek_id not in self._by_id:
            wrapper = unwrap_scope_key(self._keys.provider, self._rows[row.kek_id])
            self._by_id[row.kek_id] = wrapper
        return self._by_id[row.kek_id]

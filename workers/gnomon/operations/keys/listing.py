"""Lists the keys of a store, and checks that each can be unwrapped."""

from collections import Counter

import msgspec

from gnomon.errors import UnreadableError
from gnomon.operations.keys.vault_keys import VaultKeys, now_ms
from gnomon.vault.keys import SHREDDED, unwrap_data_key
from gnomon.vault.scopes import ScopeKeys, unwrap_scope_key

DIRECTLY = "-"
"""In place of a scope key's id: data keys of an earlier gnomon, which the provider wraps itself."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One key.

    Attributes:
        scope: Its scope.
        id: Its id; ``-`` stands for all data keys of the scope that no scope key wraps.
        state: ``active``, ``retired`` or ``shredded``.
        provider: What wraps it.
        created_at_ms: When it was made, or the oldest of those data keys.
        records: How many decisions are sealed with it, or with data keys made under it.
        is_data_key: Whether it seals decisions itself.
    """

    scope: str
    id: str
    state: str
    provider: str
    created_at_ms: int
    records: int
    is_data_key: bool = False


def list_keys(keys: VaultKeys, *, data_keys: bool = False) -> list[Listed]:
    """Return the keys of every scope, oldest first. This reads the key id of every decision.

    Raises:
        StoreUnavailableError: A database does not answer.
    """
    sealed_by = keys.store.keys.sealed_by()
    rows = keys.store.keys.all()
    under: Counter[tuple[str, str]] = Counter()
    for row in rows:
        under[row.scope, row.made_under or DIRECTLY] += sealed_by.get(row.kid, 0)
    listed = [
        Listed(
            scope=row.scope,
            id=row.id,
            state=row.state,
            provider=row.kek_id,
            created_at_ms=row.created_at_ms,
            records=under[row.scope, row.id],
        )
        for table in keys.tables
        for row in table.all()
    ]
    listed += [
        Listed(
            scope=scope,
            id=DIRECTLY,
            state=state,
            provider=", ".join(sorted({row.kek_id for row in old})),
            created_at_ms=min(row.created_at_ms for row in old),
            records=sum(sealed_by.get(row.kid, 0) for row in old),
        )
        for scope, state in sorted({(row.scope, row.state) for row in rows if not row.made_under})
        if (old := [r for r in rows if not r.made_under and (r.scope, r.state) == (scope, state)])
    ]
    if data_keys:
        listed += [
            Listed(
                scope=row.scope,
                id=row.kid,
                state=row.state,
                provider=row.kek_id,
                created_at_ms=row.created_at_ms,
                records=sealed_by.get(row.kid, 0),
                is_data_key=True,
            )
            for row in rows
        ]
    return sorted(listed, key=lambda key: (key.scope, key.is_data_key, key.created_at_ms, key.id))


def check_all(keys: VaultKeys) -> list[str]:
    """Unwrap every key that was not shredded; return a sentence for each that cannot be or whose row is missing.

    This reads the key id of every decision.

    Raises:
        KeyProviderUnavailableError: Whoever holds the key-encryption key does not answer.
        StoreUnavailableError: A database does not answer.
    """
    problems = []
    for table in keys.tables:
        for row in table.all():
            if row.state != SHREDDED:
                try:
                    unwrap_scope_key(keys.provider, row)
                except UnreadableError as error:
                    problems.append(f"scope key {row.id} of {row.scope}: {error}")
    places = (ScopeKeys(keys.provider, table) for table in keys.tables)
    return problems + _data_key_problems(keys, list(places)) + _lost_key_problems(keys)


def _data_key_problems(keys: VaultKeys, places: list[ScopeKeys]) -> list[str]:
    problems, known = [], {row.id for table in keys.tables for row in table.all()}
    for row in keys.store.keys.all():
        if row.state == SHREDDED:
            continue
        try:
            found = (place.find(row.kek_id, now_ms=now_ms()) for place in places)
            wrapper = next((each for each in found if each is not None), None)
            unwrap_data_key(keys.provider if wrapper is None else wrapper, row)
        except UnreadableError as error:
            lost = (
                "" if row.kek_id in known or keys.provider.owns(row.kek_id) else ", its row is lost"
            )
            problems.append(f"data key {row.kid} of {row.scope}: {error}{lost}")
    return problems


def _lost_key_problems(keys: VaultKeys) -> list[str]:
    return [
        f"data key {kid} of {scope}: its row is lost, and {count:,} decisions that it sealed can no longer be opened"
        for kid, scope, count in keys.store.keys.sealed_by_lost()
    ]

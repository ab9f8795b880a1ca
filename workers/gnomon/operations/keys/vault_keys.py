"""The keys of one store, and who holds the key that wraps them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.store.opening import ring_of, roots_of_commands, scope_tables
from gnomon.store.roots import CommandRoots
from gnomon.store.scope_keys import ScopeKeyTable
from gnomon.vault import KeyProvider, KeyRing, check_key, load_key
from gnomon.vault.canary import SCOPE as CANARY_SCOPE
from gnomon.vault.tamper import SCOPE as ROOTS_SCOPE


@dataclass(frozen=True)
class VaultKeys:
    """Everything that the commands on keys need.

    Attributes:
        settings: The settings they came from.
        store: The store.
        provider: Who holds the key-encryption key.
        tables: Tables of scope keys; new ones go to the first.
        ring: Seals and opens with them.
        roots: Covers what is sealed anew.
    """

    settings: Settings
    store: DecisionStore
    provider: KeyProvider
    tables: tuple[ScopeKeyTable, ...]
    ring: KeyRing
    roots: CommandRoots

    def check(self) -> None:
        """Check that the keys are those of this store, before any of them is changed.

        Raises:
            KeyUnavailableError: They are not.
        """
        check_key(self.ring, self.store.canary)

    def scope_is_known(self, scope: str) -> bool:
        """Return whether there is a key of ``scope``, used or destroyed."""
        return any(table.all(scope) for table in self.tables) or bool(self.store.keys.all(scope))

    def require_scope(self, scope: str) -> None:
        """Check that ``scope`` can be worked on.

        Raises:
            ConfigurationError: There is no key of it, or it is gnomon's own.
        """
        if scope == CANARY_SCOPE:
            raise ConfigurationError(f"the scope {scope!r} is gnomon's own: choose another")
        if scope == ROOTS_SCOPE:
            raise ConfigurationError(
                f"the keys of {scope!r} seal the Merkle roots of every scope, and no decision: without them"
                " gnomon vault verify could not tell gnomon's roots from forged ones, and the vault stage"
                " would stop. They are never destroyed or replaced; choose a scope of decisions"
            )
        if not self.scope_is_known(scope):
            raise ConfigurationError(
                f"no scope {scope!r} in {self.store.name}: see gnomon keys list"
            )


@contextmanager
def vault_keys(settings: Settings) -> Iterator[VaultKeys]:
    """Open the keys of the store, and close them in the end.

    Raises:
        ConfigurationError: There is no store, or a key is missing, or scopes need a database.
        StoreUnavailableError: A database does not answer.
    """
    store = DecisionStore(settings.store_url)
    try:
        store.check()
        provider = load_key(settings)
        tables = scope_tables(settings, store)
        ring = ring_of(provider, store, tables)
        yield VaultKeys(settings, store, provider, tables, ring, roots_of_commands(ring, store))
    finally:
        store.close()


def now_ms() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000

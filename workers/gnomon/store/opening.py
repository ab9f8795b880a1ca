"""Makes the key ring of a store from the settings: its provider, and where its scope keys are."""

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.store.database import Database
from gnomon.store.decisions import DecisionStore
from gnomon.store.roots import CommandRoots
from gnomon.store.scope_keys import LayeredScopeKeys, ScopeKeyTable
from gnomon.vault import KeyProvider, KeyRing, check_key, load_key
from gnomon.vault.tamper import StatementSeal


def open_ring(settings: Settings, store: DecisionStore) -> KeyRing:
    """Return a ring that opens the decisions of ``store``, and seals for it.

    Raises:
        KeyUnavailableError: There is no key, it is malformed, or others may read it.
        ConfigurationError: Scopes need a database of their own, or a URI is malformed.
        StoreUnavailableError: The database of scope keys does not answer.
    """
    return ring_of(load_key(settings), store, scope_tables(settings, store))


def ring_of(
    provider: KeyProvider, store: DecisionStore, tables: tuple[ScopeKeyTable, ...]
) -> KeyRing:
    """Return a ring of these parts; new scope keys go to the first of ``tables``."""
    scopes = tables[0] if len(tables) == 1 else LayeredScopeKeys(tables[0], tables[1])
    return KeyRing(provider, store.keys, scopes=scopes)


def roots_of_commands(ring: KeyRing, store: DecisionStore) -> CommandRoots:
    """Return what covers the decisions that a command stores, replaces or deletes.

    Before it seals anything it checks that ``ring`` opens ``store``, and raises ``KeyUnavailableError``
    if not.
    """
    log = store.root_log(StatementSeal.of(ring.provider, store.keys))
    return CommandRoots(log, check=lambda: check_key(ring, store.canary))


def scope_tables(settings: Settings, store: DecisionStore) -> tuple[ScopeKeyTable, ...]:
    """Return the tables of scope keys: that for new keys first, behind it the store's own.

    They are closed with the store.

    Raises:
        ConfigurationError: Scopes need a database of their own, or the URL is malformed.
        StoreUnavailableError: The database does not answer.
    """
    url = settings.scope_keys_url
    if not url or url == settings.store_url:
        if settings.scope_by != "none":
            raise ConfigurationError(
                f"GNOMON_SCOPE_BY={settings.scope_by} needs GNOMON_SCOPE_KEYS_URL, another database than the"
                " store, such as sqlite:////var/lib/gnomon/scopes.db: from a backup of a store that has its"
                " scope keys beside the decisions, a shredded scope could be read again"
            )
        return (store.keys.scopes,)
    database = Database(url)
    store.close_too(database)
    table = ScopeKeyTable(database)
    table.create()
    return table, store.keys.scopes

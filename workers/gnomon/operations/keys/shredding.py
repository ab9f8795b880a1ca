"""Destroys the keys of one scope, in an order in which any step may be the last before a crash.

The data keys are destroyed first, so that workers seal with new ones from then on; then the scope keys, after which
nothing of the scope can be opened; then data keys that were made between the two; then the numbers in clear. The event in the audit begins
before the first step and ends after the last: a run that was killed is completed by the next one.
"""

from typing import NamedTuple

from gnomon.errors import ConfigurationError, UnreadableError
from gnomon.events import AuditEvent
from gnomon.operations.audit import audited
from gnomon.operations.keys.vault_keys import VaultKeys
from gnomon.vault import envelope
from gnomon.vault.canary import new_canary
from gnomon.vault.keys import SHREDDED

IN_BACKUPS = "keys in backups of the store"
"""Detail of a certificate: the store had keys of the scope beside the records."""


class Certificate(NamedTuple):
    """What was destroyed.

    Attributes:
        event: The event in the audit, as it began.
        records: Decisions of the scope, all unreadable now.
        is_in_backups: Whether a backup of the store from before can still be opened, because the
            scope's keys were in the store itself.
    """

    event: AuditEvent
    records: int
    is_in_backups: bool


def shred(keys: VaultKeys, scope: str, *, command: str, reason: str) -> Certificate:
    """Make everything of ``scope`` unreadable for good.

    Raises:
        ConfigurationError: There is no such scope, or nothing of it is left to destroy.
        StoreUnavailableError: A database does not answer: run the command again.
    """
    keys.require_scope(scope)
    if _is_shredded(keys, scope) and keys.store.audit.unfinished("shredded", scope) is None:
        raise ConfigurationError(
            f"the keys of {scope!r} are destroyed already: see gnomon keys audit"
        )
    with audited(
        keys.settings,
        keys.store,
        "shredded",
        command=command,
        reason=reason,
        scope=scope,
        key_id=keys.provider.id,
        goes_on=True,
    ) as use:
        is_in_backups = _is_in_store(keys, scope)
        _move_canary(keys, scope)
        keys.store.keys.shred(scope)
        for table in keys.tables:
            table.shred(scope)
        keys.store.keys.shred(scope)
        keys.store.figures.forget_scope(scope)
        use.records = keys.store.keys.sealed_in(scope)
        use.detail = IN_BACKUPS if is_in_backups else ""
    keys.ring.forget()
    return Certificate(use.event, use.records, is_in_backups)


def _is_shredded(keys: VaultKeys, scope: str) -> bool:
    states = {row.state for table in keys.tables for row in table.all(scope)}
    return states | {row.state for row in keys.store.keys.all(scope)} == {SHREDDED}


def _is_in_store(keys: VaultKeys, scope: str) -> bool:
    """Return whether the store holds, or held, what opens its own data keys beside the provider's key."""
    apart = {row.id for table in keys.tables[:-1] for row in table.all(scope)}
    return bool(keys.tables[-1].all(scope)) or any(
        row.kek_id not in apart for row in keys.store.keys.all(scope)
    )


def _move_canary(keys: VaultKeys, scope: str) -> None:
    """Seal the canary of a store of an earlier gnomon anew: a key of ``scope`` has sealed it.

    Workers that run with the old canary stop once and go on with the new one when they are restarted.
    """
    sealed = keys.store.canary.get()
    if sealed is None:
        return
    try:
        row = keys.store.keys.get(envelope.key_id(sealed).hex())
    except UnreadableError:
        row = None
    if row is not None and row.scope == scope:
        keys.store.canary.replace(new_canary(keys.ring))

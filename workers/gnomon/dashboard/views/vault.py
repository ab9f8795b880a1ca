"""The page Vault: how much is sealed, how old the keys are, when it was verified. No plaintext."""

import msgspec

from gnomon.store.queries import FigureQueries, KeysOf, StoredBy


class VaultPage(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored, by scope and how tasks ended, and the keys it is sealed with."""

    decisions: int
    by_status: list[StoredBy]
    keys: list[KeysOf]
    oldest_active_ms: int | None


def vault_page(figures: FigureQueries) -> VaultPage:
    """Return the counts of one store."""
    by_status, keys = figures.by_status(), figures.keys()
    active = [each.oldest_ms for each in keys if each.state == "active"]
    return VaultPage(
        decisions=sum(each.decisions for each in by_status),
        by_status=by_status,
        keys=keys,
        oldest_active_ms=min(active, default=None),
    )

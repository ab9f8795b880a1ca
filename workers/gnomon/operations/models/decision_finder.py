"""Finds one decision in a store, by its own id or by the id of its task, and opens it."""

from typing import NamedTuple

from gnomon.errors import ConfigurationError, UnreadableError
from gnomon.events import Comparison
from gnomon.operations.audit import Use, audited
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.vault import KeyRing, check_key, open_decision


class Found(NamedTuple):
    """The decision, or ``None``; ``unreadable`` counts newer decisions that could not be opened."""

    decision: Comparison | None
    unreadable: int


def find_decision(
    store: DecisionStore, settings: Settings, *, wanted: str, command: str, reason: str = ""
) -> Found:
    """Return the decision with the id ``wanted``, or the newest decision on the task with this id.

    The search for a task opens decisions one after the other, the newest first. How many were opened, by
    which ``command`` and for which ``reason``, is in the audit.

    Raises:
        ConfigurationError: A reason is required and not given, or a key is missing or does not open the store.
        StoreUnavailableError: The store does not answer.
        UnreadableError: The decision cannot be opened.
    """
    if settings.require_reason and not reason.strip():
        raise ConfigurationError("give a --reason: GNOMON_REQUIRE_REASON is set")
    keyring = open_ring(settings, store)
    if store.canary.get() is not None:
        check_key(keyring, store.canary)
    with audited(
        settings, store, "opened", command=command, reason=reason, key_id=keyring.provider.id
    ) as use:
        return _found(store, keyring, wanted, use)


def _found(store: DecisionStore, keyring: KeyRing, wanted: str, use: Use) -> Found:
    sealed = store.get(wanted)
    if sealed is not None:
        use.detail, use.unreadable = sealed.decision_id, 1
        decision = open_decision(keyring, sealed)
        use.records, use.unreadable = 1, 0
        return Found(decision, 0)
    for each in store.iter_sealed(order="newest"):
        try:
            decision = open_decision(keyring, each)
        except UnreadableError:
            use.unreadable += 1
            continue
        use.records += 1
        if decision.task_id == wanted:
            use.detail = decision.decision_id
            return Found(decision, use.unreadable)
    return Found(None, use.unreadable)

"""Finds one decision in a store, by its own id or by the id of its task, and opens it."""

from typing import NamedTuple

from gnomon.errors import UnreadableError
from gnomon.events import Comparison
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, load_key, open_decision


class Found(NamedTuple):
    """The decision, or ``None``; ``unreadable`` counts newer decisions that could not be opened."""

    decision: Comparison | None
    unreadable: int


def find_decision(store: DecisionStore, settings: Settings, *, wanted: str) -> Found:
    """Return the decision with the id ``wanted``, or the newest decision on the task with this id.

    The search for a task opens decisions one after the other, the newest first.

    Raises:
        ConfigurationError: A key is missing or does not open the store.
        StoreUnavailableError: The store does not answer.
        UnreadableError: The decision cannot be opened.
    """
    keyring = KeyRing(load_key(settings), store.keys)
    if store.canary.get() is not None:
        check_key(keyring, store.canary)
    sealed = store.get(wanted)
    if sealed is not None:
        return Found(open_decision(keyring, sealed), 0)
    unreadable = 0
    for each in store.iter_sealed(order="newest"):
        try:
            decision = open_decision(keyring, each)
        except UnreadableError:
            unreadable += 1
            continue
        if decision.task_id == wanted:
            return Found(decision, unreadable)
    return Found(None, unreadable)

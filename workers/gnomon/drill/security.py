"""The security drill: are stored decisions sealed, and does every change of them show?

It reads the newest decisions of the store and changes copies of them in memory; the store is not
changed.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from gnomon.errors import UnreadableError
from gnomon.events import SealedDecision
from gnomon.store import DecisionStore
from gnomon.vault import KeyEncryptionKey, KeyRing, open_decision

MOST_DECISIONS: Final = 20
Check = Literal["private_key", "opens", "hidden", "changed_byte", "moved", "other_key"]


class SecurityReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one drill, as it is written to ``report.json``.

    Attributes:
        at_ms: When it began, epoch milliseconds.
        key_id: Identifier of the key, which does not reveal it.
        decisions: Number of stored decisions that were looked at.
        checks: ``private_key``: there is a key, and only its owner may read it. ``opens``: each opens with the key. ``hidden``: no id or task type is readable in the
            stored bytes. ``changed_byte``, ``moved`` and ``other_key``: a decision with a changed byte,
            one under another id, and any with another key is refused.
        passed: Whether there are decisions, and every check holds.
    """

    drill: Literal["security"]
    at_ms: int
    key_id: str | None
    decisions: int
    checks: dict[Check, bool]
    passed: bool


def run(keyring: KeyRing | None, store: DecisionStore, *, at_ms: int) -> SecurityReport:
    """Run the drill. Decisions that were shredded are passed over.

    Args:
        keyring: A ring of the configured key; ``None`` if there is none, or others may read it.
        store: The store; it is only read.
        at_ms: When the drill began, epoch milliseconds; for the report.

    Raises:
        ConfigurationError: There is no store.
        StoreUnavailableError: The store does not answer.
    """
    store.check()
    stored = store.recent(MOST_DECISIONS)
    checks: dict[Check, bool] = {"private_key": keyring is not None}
    if keyring is not None:
        stored = [each for each in stored if not _is_shredded(keyring, each)]
        stranger = KeyRing(KeyEncryptionKey(os.urandom(32)), store.keys)
        checks |= {
            "opens": _all(stored, lambda each: not _refused(keyring, each)),
            "hidden": _all(stored, lambda each: _is_hidden(keyring, each)),
            "changed_byte": _all(stored, lambda each: _refused(keyring, _changed(each))),
            "moved": _all(stored, lambda each: _refused(keyring, _moved(each))),
            "other_key": _all(stored, lambda each: _refused(stranger, each)),
        }
    return SecurityReport(
        drill="security",
        at_ms=at_ms,
        key_id=None if keyring is None else keyring.provider.id,
        decisions=len(stored),
        checks=checks,
        passed=bool(stored) and all(checks.values()),
    )


def _all(stored: Sequence[SealedDecision], holds: Callable[[SealedDecision], bool]) -> bool:
    return all(holds(each) for each in stored)


def _refused(keyring: KeyRing, sealed: SealedDecision) -> bool:
    try:
        open_decision(keyring, sealed)
    except UnreadableError:
        return True
    return False


def _is_shredded(keyring: KeyRing, sealed: SealedDecision) -> bool:
    try:
        open_decision(keyring, sealed)
    except UnreadableError as error:
        return error.reason == "shredded"
    return False


def _is_hidden(keyring: KeyRing, sealed: SealedDecision) -> bool:
    try:
        decision = open_decision(keyring, sealed)
    except UnreadableError:
        return True  # `opens` shows that
    words = (decision.decision_id, decision.agent_id, decision.task_id, decision.task_type)
    # A very short name may be among random bytes by chance.
    return not any(len(w) > 3 and w.encode() in sealed.sealed for w in words)  # noqa: PLR2004


def _changed(sealed: SealedDecision) -> SealedDecision:
    middle = len(sealed.sealed) // 2
    changed = bytearray(sealed.sealed)
    changed[middle] ^= 1
    return msgspec.structs.replace(sealed, sealed=bytes(changed))


def _moved(sealed: SealedDecision) -> SealedDecision:
    return msgspec.structs.replace(sealed, decision_id=f"{sealed.decision_id}-moved")

"""Recognises rows that have each other's contents."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from gnomon.events import SealedDecision
from gnomon.operations.verifying.findings import Finding
from gnomon.vault.tamper import record_hash

MOST = 100
"""Most changed rows that are compared with each other; further ones are called changed."""


class ChangedRows:
    """Holds the first changed rows back until it is known whether they were swapped."""

    def __init__(self) -> None:
        self._held: list[tuple[Finding, SealedDecision, bytes]] = []

    def add(self, found: Finding, row: SealedDecision, expected: bytes) -> Iterator[Finding]:
        """Take a changed row, and the hash of it as it was stored; yield what need not be held back."""
        if len(self._held) < MOST:
            self._held.append((found, row, expected))
        else:
            yield found

    def findings(self) -> Iterator[Finding]:
        """Yield the rows that were held back."""
        for found, row, _ in self._held:
            yield self._swapped(found, row) or found

    def _swapped(self, found: Finding, row: SealedDecision) -> Finding | None:
        for _, other, _ in self._held:
            mine = next(expected for each, _, expected in self._held if each is found)
            if other is not row and _was(other, row, mine):
                detail = f"has been swapped: {other.decision_id} has its content"
                return replace(found, kind="swapped", detail=detail)
        return None


def _was(row: SealedDecision, other: SealedDecision, wanted: bytes) -> bool:
    """Return whether ``other`` was stored with all of ``row``'s content, or with its sealed bytes alone."""
    whole = msgspec.structs.replace(row, decision_id=other.decision_id)
    sealed = msgspec.structs.replace(other, sealed=row.sealed)
    keyed = msgspec.structs.replace(sealed, key_id=row.key_id)
    return any(_hash(each) == wanted for each in (whole, sealed, keyed))


def _hash(row: SealedDecision) -> bytes:
    try:
        return record_hash(row)
    except ValueError:
        return b""

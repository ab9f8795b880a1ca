"""What is stated of a tree and sealed with a key of the vault: the root of an hour, the head of a partition."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gnomon.errors import UnreadableError
from gnomon.vault import envelope
from gnomon.vault.keys import KeyRow, KeyRows
from gnomon.vault.ring import CHECKED_EVERY_MS, KeyRing
from gnomon.vault.wrapping import KeyProvider

SCOPE: Final = "gnomon.roots"
"""Scope of the keys that seal statements: of no tenant, so that none takes them along when it is shredded."""
_SCHEMA: Final = "vault-root.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRoot:
    """The tree of one partition and hour after one of its lists.

    Attributes:
        partition: Partition of ``comparisons``; -1 for what commands store.
        hour: Hours since 1970 (UTC).
        lists: Number of leaves of the tree.
        records: Number of records in them.
        root: Merkle tree hash, 32 bytes.
        before: The hour whose tree the partition began before this one; ``None`` for its first.
    """

    partition: int
    hour: int
    lists: int
    records: int
    root: bytes
    before: int | None

    def text(self) -> str:
        """Return the statement as the text that is sealed; no two statements have the same."""
        return (
            f"root/{self.partition}/{self.hour}/{self.lists}/{self.records}/{self.root.hex()}"
            f"/{'' if self.before is None else self.before}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The sums of all trees of one partition. Each number only ever grows.

    Attributes:
        partition: Partition of ``comparisons``; -1 for what commands store.
        lists: Number of lists of all hours.
        records: Number of records in them.
        hours: Number of hours that have a tree.
        newest: The hour whose tree was begun last.
        from_offset: Where the last transaction began to read in ``comparisons``.
        next_offset: The offset after its last record.
    """

    partition: int
    lists: int = 0
    records: int = 0
    hours: int = 0
    newest: int | None = None
    from_offset: int = 0
    next_offset: int = 0

    def text(self) -> str:
        """Return the statement as the text that is sealed; no two statements have the same."""
        return (
            f"head/{self.partition}/{self.lists}/{self.records}/{self.hours}"
            f"/{'' if self.newest is None else self.newest}/{self.from_offset}/{self.next_offset}"
        )


class StatementSeal:
    """Seals statements and checks their seals.

    A seal is a record of the vault without content that is bound to the statement's text. So it has the
    vault's format, keys, limits and rotation.

    Args:
        ring: A ring of the scope ``SCOPE``.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @classmethod
    def of(cls, provider: KeyProvider, rows: KeyRows) -> "StatementSeal":
        """Return the seal of a vault with this provider, whose data keys are in ``rows``."""
        return cls(KeyRing(provider, rows, scope=SCOPE))

    def seal(self, statement: HourRoot | Head) -> bytes:
        """Return the seal, 50 bytes.

        Raises:
            StoreUnavailableError: A new key is due and its row cannot be stored.
        """
        return self._ring.seal(b"", record_id=statement.text(), schema=_SCHEMA)[1]

    def rows_of(self, seals: Iterable[bytes]) -> list[KeyRow]:
        """Return the rows of the keys that made ``seals`` in this process."""
        key_ids = (envelope.key_id(seal).hex() for seal in seals)
        # Nobody may destroy keys of this scope, so that only a restored database lacks them.
        return self._ring.rows_of(key_ids, looked_ms=CHECKED_EVERY_MS)

    def refusal(self, statement: HourRoot | Head, seal: bytes) -> str:
        """Return why ``seal`` is none of ``statement``; an empty text if it is.

        Raises:
            StoreUnavailableError: The row of the key cannot be read for now.
        """
        try:
            self._ring.open(seal, record_id=statement.text(), schema=_SCHEMA)
        except UnreadableError as error:
            return str(error)
        return ""

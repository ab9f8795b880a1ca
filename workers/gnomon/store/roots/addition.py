"""What one transaction writes of the trees of one partition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gnomon.vault import KeyRow
from gnomon.vault.tamper import Head, HourRoot
from gnomon.vault.tamper.growing import Grown


@dataclass(frozen=True, slots=True)
class Addition:
    """What one transaction writes of the trees.

    Attributes:
        grown: The lists, roots and head.
        root_seals: Seals of the roots, in the order of ``grown.added``.
        head_seal: Seal of the head.
        keys: Keys that made the seals.
    """

    grown: Grown
    root_seals: Sequence[bytes]
    head_seal: bytes
    keys: Sequence[KeyRow]

    @property
    def partition(self) -> int:
        """Partition of ``comparisons``; -1 for what commands store."""
        return self.grown.after.head.partition

    @property
    def hours(self) -> set[int]:
        """The hours that it adds to."""
        return {listed.hour for listed, _, _ in self.grown.added}

    def seals(self) -> Mapping[HourRoot | Head, bytes]:
        """Return the seal of each root and of the head."""
        roots = (root for _, _, root in self.grown.added)
        return {
            **dict(zip(roots, self.root_seals, strict=True)),
            self.grown.after.head: self.head_seal,
        }

    def head_row(self) -> dict[str, Any]:
        """Return the row of the partition's head."""
        return {**asdict(self.grown.after.head), "seal": self.head_seal}

    def list_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the lists."""
        return [
            {
                "hour": listed.hour,
                "partition": listed.partition,
                "number": listed.number,
                "position": listed.position,
                "records": listed.records,
                "before": root.before,
                "leaf": leaf,
                "root": root.root,
                "seal": seal,
                "hashes": listed.hashes,
                "ids": listed.ids,
            }
            for (listed, leaf, root), seal in zip(self.grown.added, self.root_seals, strict=True)
        ]

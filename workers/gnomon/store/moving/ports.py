"""What a store of sealed decisions can do, whatever it is kept in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from gnomon.events import SealedDecision
from gnomon.store.chosen import Chosen
from gnomon.store.figures import Figures

KeyRows = Mapping[str, Sequence[Mapping[str, object]]]
"""Wrapped keys and named values, as rows by the name of their table."""


class Part(NamedTuple):
    """Some decisions, in the order of their ends, with the numbers of those that have any."""

    decisions: Sequence[SealedDecision]
    figures: Sequence[Figures]


class SealedStore(Protocol):
    """A store of sealed decisions with their wrapped keys. All calls block.

    Every method raises ``StoreUnavailableError`` if the store does not answer for now.
    """

    @property
    def name(self) -> str:
        """Where it is, without secrets."""
        ...

    def count(self, chosen: Chosen) -> int:
        """Return the number of decisions."""
        ...

    def parts(self, chosen: Chosen) -> Iterator[Part]:
        """Yield decisions in the order of their ends and ids, in parts that fit into memory.

        Raises:
            ConfigurationError: There is no such store, or it is not whole.
        """
        ...

    def keys(self) -> KeyRows:
        """Return the wrapped keys that open the decisions, and what belongs to them."""
        ...

    def write_keys(self, keys: KeyRows) -> None:
        """Store those keys that are missing."""
        ...

    def write(self, part: Part) -> None:
        """Store a part; a decision that is there already is replaced.

        Raises:
            EventError: A row can never be stored; nothing of the part was.
        """
        ...

    def finish(self, *, reason: str) -> None:
        """End writing: only now is what was written a whole store.

        Args:
            reason: Why it was written.
        """
        ...

    def close(self) -> None:
        """Release connections and files."""
        ...

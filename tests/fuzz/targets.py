"""What is fuzzed: each target reads or writes the same bytes in the compiled way and in Python's."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.checks import (
    events,
    fold,
    opener,
    packed,
    read_batches,
    sealed_rows,
    snapshots,
    written_batches,
    written_json,
)

CORPUS: Final = Path(__file__).with_name("corpus")


class Target(NamedTuple):
    """One comparison.

    Attributes:
        check: Raises if the two ways differ on these bytes.
        seeds: Where mutation begins.
        words: What mutation inserts as a whole.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: Sequence[bytes]

    def corpus(self, name: str) -> list[bytes]:
        """The seeds and the committed inputs of the target ``name``."""
        return self.seeds() + [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


TARGETS: Final[Mapping[str, Target]] = {
    module.__name__.rpartition(".")[2]: Target(module.check, module.seeds, module.WORDS)
    for module in (
        events,
        fold,
        written_json,
        read_batches,
        written_batches,
        snapshots,
        packed,
        sealed_rows,
        opener,
    )
}

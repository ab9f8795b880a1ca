"""A worker whose vault stage writes no Merkle roots, to compare with: takes the arguments of ``gnomon``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from gnomon.cli import main
from gnomon.stages.vault_roots import RootedStore


class Rootless(RootedStore):
    """Stores rows alone."""

    def upsert(self, parts, **beside):  # type: ignore[no-untyped-def]
        self._store.upsert([row for part in parts for row in part.rows], **beside)

    def publish(self, partition, rows, outputs):  # type: ignore[no-untyped-def]
        pass


@contextmanager
def no_hashes() -> Iterator[None]:
    """Let the stage seal without the hashes that only the trees need."""
    with patch("gnomon.stages.vault_sealing._hashes", lambda rows: [b""] * len(rows)):
        yield


if __name__ == "__main__":
    with patch("gnomon.stages.vault.RootedStore", Rootless), no_hashes():
        sys.exit(main(sys.argv[1:]))

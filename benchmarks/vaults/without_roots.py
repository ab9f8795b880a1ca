"""A worker whose vault stage writes no Merkle roots, to compare with: takes the arguments of ``gnomon``."""

import sys
from unittest.mock import patch

from gnomon.cli import main
from gnomon.stages.vault_roots import RootedStore


class Rootless(RootedStore):
    """Stores rows alone."""

    def upsert(self, parts, **beside):  # type: ignore[no-untyped-def]
        self._store.upsert([row for part in parts for row in part.rows], **beside)

    def publish(self, partition, rows, outputs):  # type: ignore[no-untyped-def]
        pass


if __name__ == "__main__":
    with patch("gnomon.stages.vault.RootedStore", Rootless):
        sys.exit(main(sys.argv[1:]))

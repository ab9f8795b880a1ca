"""The ``gnomon`` command line: one module per command, imported only when it is used."""

from gnomon.cli.main import main

__all__ = ["main"]

"""The ``gnomon`` command: one module a command, imported only when it is used."""

from gnomon.cli.main import main

__all__ = ["main"]

"""Runs an application with integrations: ``GNOMON_TRACE=1 python -m gnomon.integrations app.py …``.

``-m package …`` runs a module instead of a file, as with Python itself.
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import gnomon.integrations.auto  # noqa: F401  the import starts to watch for frameworks

USAGE = "usage: GNOMON_TRACE=1 python -m gnomon.integrations (app.py | -m module) [arguments]"


def main(arguments: Sequence[str]) -> None:
    """Run the file or module that ``arguments`` name as ``__main__``, with the other arguments."""
    if not arguments or arguments[0] in {"-h", "--help"} or arguments == ["-m"]:
        sys.exit(USAGE)
    if arguments[0] == "-m":
        sys.argv = [*arguments[1:]]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [*arguments]
        if not sys.flags.safe_path:
            sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])

"""``GNOMON_TRACE=1 python -m gnomon.integrations app.py …`` runs an application unchanged.

``-m package …`` runs a module instead, as Python itself does.
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import gnomon.integrations.auto  # noqa: F401  watches for frameworks from here on

USAGE = "usage: GNOMON_TRACE=1 python -m gnomon.integrations (app.py | -m module) [arguments]"


def main(arguments: Sequence[str]) -> None:
    """Run what ``arguments`` name, as ``__main__`` and with the arguments that follow."""
    if not arguments or arguments[0] in {"-h", "--help"} or arguments == ["-m"]:
        sys.exit(USAGE)
    if arguments[0] == "-m":
        sys.argv = [*arguments[1:]]
        _look_first_in(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [*arguments]
        _look_first_in(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


def _look_first_in(folder: Path) -> None:
    """Import from where Python itself would have, had it been given the application."""
    if not sys.flags.safe_path:
        sys.path[0] = str(folder)


if __name__ == "__main__":
    main(sys.argv[1:])

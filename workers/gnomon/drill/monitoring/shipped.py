"""Finds the rules, routes and dashboards that come with gnomon."""

from pathlib import Path

from gnomon.drill.child import DrillError

_INSTALLED = Path(__file__).parent / "deploy"
_CHECKOUT = Path(__file__).parents[4] / "deploy"


def shipped(name: str) -> Path:
    """Return the path of a file or folder of ``deploy``, as installed or in a checkout.

    Raises:
        DrillError: It is in neither place.
    """
    for folder in (_INSTALLED, _CHECKOUT):
        if (folder / name).exists():
            return folder / name
    raise DrillError(f"deploy/{name} is not installed: install gnomon again")

"""The queries of the shipped dashboards. Pure but for reading their files."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Query(NamedTuple):
    """One query of a panel, with ``$stage`` meaning every stage."""

    dashboard: str
    panel: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}: {self.expr}"


def queries_of(folder: Path) -> list[Query]:
    """Return the queries of every dashboard in ``folder``, in the order of the files."""
    found = []
    for path in sorted(folder.glob("*.json")):
        dashboard: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        found += [
            Query(dashboard["title"], panel["title"], re.sub(r"\$stage\b", ".*", target["expr"]))
            for panel in dashboard["panels"]
            for target in panel.get("targets", ())
        ]
    return found

"""What a verification finds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gnomon.vault.tamper import HOUR_MS

Kind = Literal[
    "changed",
    "swapped",
    "missing",
    "added",
    "reordered",
    "list altered",
    "list missing",
    "root replaced",
    "hour removed",
    "head replaced",
    "rolled back",
    "rewritten",
    "topic altered",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference between the store and what gnomon has stored.

    Attributes:
        kind: What happened.
        detail: What was expected and what was found.
        partition: Whose tree; ``None`` if no tree has the record.
        hour: Hour of the records' ends, in hours since 1970; ``None`` if it is about all hours.
        decision_id: Which record; ``None`` if it is about more than one.
    """

    kind: Kind
    detail: str
    partition: int | None = None
    hour: int | None = None
    decision_id: str | None = None

    def line(self) -> str:
        """Return the finding as one line of text."""
        where = [] if self.decision_id is None else [self.decision_id]
        if self.hour is not None:
            where.append(utc_hour(self.hour))
        if self.partition is not None:
            where.append("commands" if self.partition < 0 else f"partition {self.partition}")
        return f"{self.kind:<14}{', '.join(where)}: {self.detail}"


def utc_hour(hour: int) -> str:
    """Return an hour as ``2026-11-02T14Z``."""
    try:
        return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).strftime("%Y-%m-%dT%HZ")
    except (ValueError, OverflowError):  # a changed row may have any number
        return f"hour {hour}"

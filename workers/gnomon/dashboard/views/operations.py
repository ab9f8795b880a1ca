"""The page Operations: dead letters, drills, and what clients have lost."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from gnomon.dashboard.views.texts import shortened
from gnomon.operations.clients import ClientOverview, totals
from gnomon.operations.dead_letters import DeadLetterRecord
from gnomon.verdict import Drill

MOST_SHOWN: Final = 100
_MOST_DETAIL: Final = 200


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, without its content."""

    id: str
    at_ms: int
    stage: str
    reason: str
    detail: str
    source: str


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """The newest dead letters, and how many there are by stage and reason among those that were read."""

    read: int
    by_reason: list[tuple[str, str, int]]
    newest: list[Letter]


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """The sums over all clients, and the clients that have lost or dropped the most."""

    known: int
    totals: dict[str, int]
    worst: list[ClientOverview]


def letters(found: Sequence[DeadLetterRecord]) -> Letters:
    """Return dead letters, given newest first, for a table."""
    counts = Counter(
        (shortened(each.headers.get("stage", "?")), shortened(each.headers.get("reason", "?")))
        for each in found
    )
    return Letters(
        read=len(found),
        by_reason=[(stage, reason, n) for (stage, reason), n in counts.most_common()],
        newest=[
            Letter(
                id=each.id,
                at_ms=each.at_ms,
                stage=shortened(each.headers.get("stage", "?")),
                reason=shortened(each.headers.get("reason", "?")),
                detail=shortened(each.headers.get("detail", ""), _MOST_DETAIL),
                source=shortened(each.headers.get("topic", "?")),
            )
            for each in found[:MOST_SHOWN]
        ],
    )


def of_clients(found: Sequence[ClientOverview]) -> Clients:
    """Return the sums over clients, and those with the greatest loss first."""
    worst = sorted(found, key=lambda each: (-(each.lost + (each.dropped or 0)), -each.heard_ms))
    return Clients(known=len(found), totals=totals(found), worst=worst[:MOST_SHOWN])


def last_drills(drills: Sequence[Drill]) -> list[Drill]:
    """Return the last drill of each name."""
    last = {each.drill: each for each in sorted(drills, key=lambda each: each.at_ms)}
    return [last[name] for name in sorted(last)]

"""Which events of a client are missing, and when they count as lost."""

from typing import Any

import pytest

from gnomon.events import ClientEvent, ClientSeen, ClientStats
from gnomon.operations.clients import ClientOverview, clients, totals

NOW = 1_767_262_871_900
MINUTE, HOUR = 60_000, 3_600_000


def stats(producer_id: str = "p", **figures: Any) -> ClientStats:
    nothing = dict.fromkeys(
        ("sent", "accepted", "delivered", "failed", "spooled", "replayed", "waiting",
         "dropped_full", "dropped_oversize", "dropped_invalid", "dropped_closed", "shed_starts"),
        0,
    )  # fmt: skip
    return ClientStats(**{"producer_id": producer_id, "at_ms": NOW, **nothing, **figures})


def seen(
    partition: int,
    received: int,
    last_seq: int,
    *,
    repeated: int = 0,
    at_ms: int = NOW,
    of: str = "p",
) -> ClientSeen:
    return ClientSeen(
        producer_id=of, partition=partition, received=received, repeated=repeated,
        last_seq=last_seq, as_of_ms=at_ms,
    )  # fmt: skip


def only(*events: ClientEvent, now_ms: int = NOW, behind: bool = False) -> ClientOverview:
    (found,) = clients(events, now_ms=now_ms, behind=behind)
    return found


def test_the_clients_own_statistics_stand_beside_what_was_read() -> None:
    found = only(
        stats(
            sent=100, accepted=104, delivered=90, failed=1, spooled=9, waiting=4,
            dropped_full=1, dropped_oversize=2, dropped_invalid=4, dropped_closed=8, shed_starts=16,
        ),
        seen(0, 40, 88, repeated=2),
        seen(3, 50, 89, repeated=1, at_ms=NOW + 7),
    )  # fmt: skip
    assert found.as_dict() == {
        "producer_id": "p", "accepted": 104, "delivered": 90, "spooled": 9, "waiting": 4,
        "failed": 1, "dropped": 31, "received": 90, "repeated": 3, "missing": 10, "lost": 0,
        "ended": False, "heard_ms": NOW + 7,
    }  # fmt: skip


def test_the_last_event_of_each_key_counts() -> None:
    found = only(seen(0, 1, 0), stats(sent=1), seen(1, 5, 9), stats(sent=12), seen(0, 6, 10))
    assert (found.received, found.missing) == (11, 1)


def test_a_client_without_statistics_of_its_own() -> None:
    found = only(seen(0, 3, 7))
    assert (found.accepted, found.dropped, found.missing) == (None, None, 5)


def test_a_client_of_which_nothing_arrived() -> None:
    found = only(stats(sent=5, delivered=5, ended=True, at_ms=NOW - MINUTE))
    assert (found.received, found.missing, found.lost) == (0, 5, 5)


@pytest.mark.parametrize(
    ("ended", "silent_ms", "spooled", "behind", "lost"),
    [
        (False, HOUR - 1, 0, False, 0),
        (False, HOUR, 0, False, 10),
        (False, HOUR, 0, True, 0),
        (True, MINUTE - 1, 0, False, 0),
        (True, MINUTE, 0, False, 10),
        (True, MINUTE, 0, True, 0),
        (True, HOUR, 10, False, 0),
        (True, HOUR, 4, False, 6),
        (False, HOUR, 11, False, 0),
    ],
)
def test_when_missing_events_count_as_lost(
    *, ended: bool, silent_ms: int, spooled: int, behind: bool, lost: int
) -> None:
    found = only(
        stats(sent=100, ended=ended, spooled=spooled),
        seen(0, 90, 99),
        now_ms=NOW + silent_ms,
        behind=behind,
    )
    assert (found.missing, found.lost) == (10, lost)


def test_nothing_is_missing_if_more_was_read_than_the_client_has_reported() -> None:
    assert only(stats(sent=5), seen(0, 9, 8)).missing == 0


def test_the_newest_come_first_and_all_add_up() -> None:
    found = clients(
        [
            seen(0, 3, 4, of="old", at_ms=NOW - 9),
            stats("new", sent=2, accepted=2),
            seen(0, 1, 0, of="mid", at_ms=NOW - 5),
        ],
        now_ms=NOW,
        behind=False,
    )
    assert [client.producer_id for client in found] == ["new", "mid", "old"]
    summed = totals(found)
    assert (summed["accepted"], summed["received"], summed["missing"]) == (2, 4, 4)
    assert totals([])["lost"] == 0

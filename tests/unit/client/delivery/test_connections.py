"""Calls of one client on a shared handle, and their effects on the other clients."""

import pytest
from tests.support.client.handles import MemoryHandle, Opened

from gnomon.client.delivery import connections
from gnomon.client.delivery.connections import HandlePool, SharedProducer
from gnomon.client.delivery.ports import Fault, Outcomes
from gnomon.client.records import Record
from gnomon.connection import KafkaConnection

RECORD = Record(b"a", b"{}")
A = KafkaConnection("a:1")
NOTHING = Outcomes([], [], [])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    made = Opened()
    monkeypatch.setattr(connections, "open_kafka", made)
    monkeypatch.setattr(connections, "PURGE_S", 0.0)
    return made


def two_of_a_handle(opened: Opened) -> tuple[SharedProducer, SharedProducer, MemoryHandle]:
    both = HandlePool()
    one, two = both.producer(A, "one"), both.producer(A, "two")
    return one, two, opened.in_memory[0]


def test_each_producer_gets_its_own_reports_whichever_polls(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    assert one.send(7, RECORD)
    assert two.send(7, RECORD)
    assert two.send(8, RECORD)

    assert one.poll(0.0) == Outcomes([7], [], [])
    assert one.poll(0.0) == NOTHING
    assert two.poll(0.0) == Outcomes([7, 8], [], [])
    assert handle.stored == [("one", b"{}"), ("two", b"{}"), ("two", b"{}")]


def test_a_single_producer_gets_its_events_purged(opened: Opened) -> None:
    one, _, handle = two_of_a_handle(opened)
    handle.hanging.add("one")
    one.send(1, RECORD)
    one.purge()

    assert handle.purges == [True]
    assert one.poll(0.0) == Outcomes([], [1], [])


def test_beside_another_producer_purged_events_are_undelivered_and_may_arrive(
    opened: Opened,
) -> None:
    one, two, handle = two_of_a_handle(opened)
    one.send(1, RECORD)
    one.poll(0.0)
    handle.hanging.update({"one", "two"})
    one.send(2, RECORD)
    two.send(1, RECORD)
    one.purge()

    assert handle.purges == []
    assert one.poll(0.0) == Outcomes([], [2], [])
    handle.hanging.clear()
    assert two.poll(0.0) == Outcomes([1], [], [])
    assert one.poll(0.0) == NOTHING
    assert handle.values("one") == [b"{}", b"{}"]


@pytest.mark.parametrize("last", ["asks too", "leaves", "wants all back"])
def test_unsent_events_are_taken_back_when_all_producers_ask_for_it(
    opened: Opened, last: str
) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.hanging.update({"one", "two"})
    one.send(1, RECORD)
    two.send(1, RECORD)
    one.recall()
    assert handle.purges == []
    if last == "asks too":
        two.recall()
    elif last == "leaves":
        two.close()
    else:
        two.purge()

    assert handle.purges == [False]
    assert one.poll(0.0) == Outcomes([], [1], [])


def test_a_producer_that_sends_again_no_longer_asks_for_it(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.hanging.update({"one", "two"})
    one.send(1, RECORD)
    two.send(1, RECORD)
    one.recall()
    one.send(2, RECORD)
    two.recall()

    assert handle.purges == []


def test_right_after_a_purge_nothing_is_sent(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library purges a little later, so records sent behind it must not overtake."""
    monkeypatch.setattr(connections, "PURGE_S", 60.0)
    one, two, handle = two_of_a_handle(opened)
    handle.hanging.add("one")
    one.send(1, RECORD)
    one.recall()

    assert not two.send(1, RECORD)
    assert two.poll(0.0) == NOTHING


def test_a_fault_of_the_handle_is_reported_to_every_producer(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.faults = [Fault("_TRANSPORT"), Fault("_FATAL", lasting=True)]
    one.poll(0.0)

    assert (one.last_error(), one.last_error(), one.broken) == ("_FATAL", None, True)
    assert (two.last_error(), two.broken) == ("_FATAL", True)


def test_a_fault_of_a_record_is_reported_to_its_producer_alone(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.missing.add("one")
    one.send(1, RECORD)

    assert two.poll(0.0) == NOTHING
    assert one.poll(0.0) == Outcomes([], [1], [])
    assert (one.last_error(), one.broken) == ("_UNKNOWN_TOPIC", True)
    assert (two.last_error(), two.broken) == (None, False)


def test_a_new_producer_does_not_get_a_broken_handle(opened: Opened) -> None:
    both = HandlePool()
    one, two = both.producer(A, "one"), both.producer(A, "two")
    opened.in_memory[0].missing.add("one")
    one.send(1, RECORD)
    one.poll(0.0)
    one.close()
    again, third = both.producer(A, "one"), both.producer(A, "three")
    for share in (two, again, third):
        share.send(2, RECORD)
        assert share.poll(0.0).delivered == [2]

    first, second = opened.in_memory
    assert first.values("two") == [b"{}"]
    assert [topic for topic, _ in second.stored] == ["one", "three"]


def test_untracked_records_are_counted_until_they_are_stored(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.hanging.add("stats")
    one.produce_untracked("stats", RECORD)
    assert (one.untracked, two.untracked) == (1, 0)
    two.poll(0.0)
    assert one.untracked == 1
    handle.hanging.clear()
    two.poll(0.0)

    assert one.untracked == 0
    assert handle.values("stats") == [b"{}"]

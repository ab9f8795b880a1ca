"""What the clients of one handle may ask of it, and what of that the others feel."""

import pytest
from tests.support.handles import MemoryHandle, Opened

from gnomon.client.delivery import connections
from gnomon.client.delivery.connections import HandlePool, SharedProducer
from gnomon.client.delivery.ports import Fault, Outcomes
from gnomon.client.records import Record

RECORD = Record(b"a", b"{}")
NOTHING = Outcomes([], [], [])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    made = Opened()
    monkeypatch.setattr(connections, "open_kafka", made)
    monkeypatch.setattr(connections, "PURGE_S", 0.0)
    return made


def two_of_a_handle(opened: Opened) -> tuple[SharedProducer, SharedProducer, MemoryHandle]:
    both = HandlePool()
    one, two = both.producer(("a:1",), "one"), both.producer(("a:1",), "two")
    return one, two, opened.in_memory[0]


def test_each_hears_of_its_own_whoever_asks(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    assert one.send(7, RECORD)
    assert two.send(7, RECORD)
    assert two.send(8, RECORD)

    assert one.poll(0.0) == Outcomes([7], [], [])
    assert one.poll(0.0) == NOTHING
    assert two.poll(0.0) == Outcomes([7, 8], [], [])
    assert handle.stored == [("one", b"{}"), ("two", b"{}"), ("two", b"{}")]


def test_one_alone_has_its_own_taken_back(opened: Opened) -> None:
    one, _, handle = two_of_a_handle(opened)
    handle.hanging.add("one")
    one.send(1, RECORD)
    one.purge()

    assert handle.purges == [True]
    assert one.poll(0.0) == Outcomes([], [1], [])


def test_beside_another_it_counts_as_not_delivered_and_may_arrive(opened: Opened) -> None:
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
def test_what_was_not_sent_is_taken_back_when_all_want_it(opened: Opened, last: str) -> None:
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


def test_one_that_sends_again_does_not_want_it_any_more(opened: Opened) -> None:
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
    """The library's threads may see to it a little later; what comes behind it must not pass."""
    monkeypatch.setattr(connections, "PURGE_S", 60.0)
    one, two, handle = two_of_a_handle(opened)
    handle.hanging.add("one")
    one.send(1, RECORD)
    one.recall()

    assert not two.send(1, RECORD)
    assert two.poll(0.0) == NOTHING


def test_a_fault_of_the_handle_is_everybodys(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.faults = [Fault("_TRANSPORT"), Fault("_FATAL", lasting=True)]
    one.poll(0.0)

    assert (one.last_error(), one.last_error(), one.broken) == ("_FATAL", None, True)
    assert (two.last_error(), two.broken) == ("_FATAL", True)


def test_a_fault_of_a_record_is_its_own(opened: Opened) -> None:
    one, two, handle = two_of_a_handle(opened)
    handle.missing.add("one")
    one.send(1, RECORD)

    assert two.poll(0.0) == NOTHING
    assert one.poll(0.0) == Outcomes([], [1], [])
    assert (one.last_error(), one.broken) == ("_UNKNOWN_TOPIC", True)
    assert (two.last_error(), two.broken) == (None, False)


def test_who_comes_after_one_found_it_of_no_use_gets_another(opened: Opened) -> None:
    both = HandlePool()
    one, two = both.producer(("a:1",), "one"), both.producer(("a:1",), "two")
    opened.in_memory[0].missing.add("one")
    one.send(1, RECORD)
    one.poll(0.0)
    one.close()
    again, third = both.producer(("a:1",), "one"), both.producer(("a:1",), "three")
    for share in (two, again, third):
        share.send(2, RECORD)
        assert share.poll(0.0).delivered == [2]

    first, second = opened.in_memory
    assert first.values("two") == [b"{}"]
    assert [topic for topic, _ in second.stored] == ["one", "three"]


def test_what_is_told_is_counted_until_it_is_stored(opened: Opened) -> None:
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

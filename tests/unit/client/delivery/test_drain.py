"""The drain keeps the order of events through errors and outages, and counts every event."""

from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from tests.support.client.drains import Timed, World, numbers
from tests.support.client.producers import Connections
from tests.support.client.spools import ListSpool

from gnomon.client.delivery.ports import Producer, Spool, UnavailableError
from gnomon.client.spool.spool import FileSpool


@pytest.fixture(params=["in a list", "in files"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    if request.param == "in a list":
        return ListSpool(max_events=100_000)
    return FileSpool(tmp_path / "spool", max_bytes=8 << 20)


def test_offered_events_are_stored_in_order_each_once() -> None:
    world = World()
    world.offer(5_000)
    world.end()

    assert world.stored == list(range(5_000))
    assert world.buffer.stats().delivered == 5_000
    assert max(world.broker.batches) <= 1_000


@pytest.mark.parametrize("trouble", ["loses", "breaks", "unavailable"])
def test_events_are_stored_in_order_after_an_error(trouble: str) -> None:
    world = World()
    first = Timed(world.clock)
    broker: Producer | UnavailableError = first
    if trouble == "loses":
        first.loses = 2
        broker = world.broker = first
    elif trouble == "breaks":
        first.breaks = True
    else:
        broker = UnavailableError("no broker")
    world.start(Connections(broker, world.broker))
    world.offer(100)
    world.end()

    assert world.stored == list(range(100))
    assert world.buffer.stats().failed == 0


def test_a_broken_producer_is_closed_and_replaced() -> None:
    world = World()
    first = Timed(world.clock)
    first.breaks = True
    connections = Connections(first, world.broker)
    world.start(connections)
    world.offer(4)
    world.end()

    assert (first.closed, connections.made) == (1, 2)
    assert world.stored == [0, 1, 2, 3]


def test_the_time_between_two_tries_grows() -> None:
    connections = Connections(UnavailableError("no broker"))
    world = World(connect=connections)
    world.offer(1)
    world.run(60.0)

    # 0.1 + 0.2 + 0.4 + … + 6.4 is 12.7 s; then one in 10 s, give or take a quarter.
    assert 9 <= connections.made <= 16


def test_a_long_silence_is_logged_with_the_last_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A process logs a line a minute, which another line may have taken when the reason came."""
    refused = Connections(UnavailableError("there is no token"))
    world = World(connect=refused)
    world.offer(1)
    world.run(60.0)
    caplog.clear()
    world.forget_logged()
    refused.left = [world.broker]
    world.broker.hangs = True
    world.run(20.0)
    assert "gnomon: there is no token (" in caplog.text

    world.broker.hangs = False
    world.run(20.0)
    caplog.clear()
    world.forget_logged()
    world.broker.hangs = True
    world.offer(1)
    world.run(60.0)
    assert "gnomon: no answer (" in caplog.text


def test_an_expedited_drain_does_not_wait_for_the_next_try() -> None:
    connections = Connections(UnavailableError("no broker"))
    world = World(connect=connections)
    world.offer(1)
    world.run(30.0)
    connections.left = [world.broker]
    world.drain.expedite()
    world.run(0.1)

    assert world.stored == [0]


def test_only_the_refused_event_fails() -> None:
    world = World()
    world.broker.refuses = lambda record: numbers([record]) == [37]
    world.offer(100)
    world.end()

    assert sorted(world.stored) == [n for n in range(100) if n != 37]
    assert world.stored == sorted(world.stored)
    assert (world.buffer.stats().delivered, world.buffer.stats().failed) == (99, 1)


def test_after_a_refusal_batches_grow_again() -> None:
    world = World()
    world.broker.refuses = lambda record: numbers([record]) == [3]
    world.offer(10)
    world.run(5.0)
    world.broker.batches.clear()
    world.offer(500)
    world.end()

    assert max(world.broker.batches) > 100
    assert world.buffer.stats().failed == 1


def test_a_refused_event_from_the_spool_fails_alone(spool: Spool) -> None:
    world = World(spool=spool)
    world.broker.hangs = True
    world.offer(50)
    world.run(3.0)
    assert world.buffer.stats().spooled == 50
    world.broker.hangs = False
    world.broker.refuses = lambda record: numbers([record]) == [37]
    world.run(5.0)

    assert list(dict.fromkeys(world.stored)) == [n for n in range(50) if n != 37]
    assert (world.buffer.stats().delivered, world.buffer.stats().failed) == (49, 1)


def test_a_producer_without_room_gets_the_rest_later() -> None:
    world = World()
    world.broker.room = 7
    world.offer(100)
    world.end()

    assert world.stored == list(range(100))
    assert max(world.broker.batches) == 7


@pytest.mark.parametrize("in_flight", [2, 0])
def test_without_a_spool_a_hanging_broker_costs_nothing_but_time(in_flight: int) -> None:
    """Unsent events are taken back: librdkafka would take a whole core while it holds them."""
    world = World()
    world.broker.hangs, world.broker.in_flight = True, in_flight
    world.offer(3_000)
    world.run(0.5)
    assert len(world.broker) == 1_000
    world.run(120.0)
    assert world.buffer.pending == 3_000
    if len(world.broker) > in_flight:
        world.run(2.0)  # a try takes a second each, and one was running
    assert len(world.broker) == in_flight
    assert world.broker.recalls == 1 or not in_flight
    world.broker.hangs = False
    world.end()

    assert world.stored == list(range(3_000))


def test_after_an_error_no_event_is_taken_back_that_may_have_been_sent() -> None:
    world = World()
    world.broker.hangs, world.broker.error = True, "_TRANSPORT"
    world.offer(3_000)
    world.run(120.0)
    assert (len(world.broker), world.broker.recalls) == (1_000, 0)
    world.broker.hangs, world.broker.error = False, None
    world.end()

    assert world.stored == list(range(3_000))


def test_without_a_spool_the_end_uses_its_whole_time_limit_and_counts_the_rest() -> None:
    world = World()
    world.broker.hangs = True
    world.offer(3_000)

    assert 2.0 <= world.end(2.0) < 2.2
    assert world.buffer.stats().buffered == 3_000
    assert numbers(world.buffer.take(max_events=9_999, max_bytes=1 << 30)) == list(range(3_000))


def test_after_a_second_without_an_answer_everything_is_in_the_spool(spool: Spool) -> None:
    world = World(spool=spool)
    world.offer(100)
    world.run(0.5)
    world.broker.hangs = True
    world.offer(3_000)
    world.run(0.9)
    assert world.buffer.stats().spooled == 0
    world.run(0.5)
    assert world.buffer.stats().spooled == 3_000
    assert world.buffer.pending == 0
    world.offer(50)
    world.run(0.1)
    assert world.buffer.stats().spooled == 3_050

    world.broker.hangs = False
    world.run(3.0)
    assert world.stored == list(range(3_150))
    assert world.buffer.stats().delivered == 3_150
    assert spool.pending() == 0


def test_after_an_outage_events_go_past_the_spool_again(spool: Spool) -> None:
    world = World(spool=spool)
    world.broker.hangs = True
    world.offer(10)
    world.run(2.0)
    world.broker.hangs = False
    world.run(2.0)
    assert world.buffer.stats().delivered == 10
    world.broker.hangs = True
    world.offer(10)
    world.run(0.5)

    assert (world.buffer.stats().spooled, world.buffer.stats().in_flight) == (0, 10)


def test_while_events_keep_coming_they_go_past_the_spool_again(spool: Spool) -> None:
    world = World(spool=spool)
    world.broker.hangs = True
    world.offer(10)
    world.run(2.0)
    world.broker.hangs = False
    for _ in range(200):
        world.offer(1)
        world.run(0.01)
    world.broker.hangs = True
    world.offer(1)
    world.run(0.1)

    assert world.buffer.stats().spooled == 0
    assert len(world.stored) >= world.offered - 3
    assert world.stored == sorted(set(world.stored))


def test_a_buffer_that_is_half_full_goes_to_the_spool(spool: Spool) -> None:
    world = World(spool=spool, max_events=5_000)
    world.broker.hangs = True
    world.offer(2_499)
    world.run(0.5)
    assert world.buffer.stats().spooled == 0
    world.offer(1)
    world.run(0.1)

    assert world.buffer.stats().spooled == 2_500


def test_a_full_spool_leaves_the_rest_in_the_buffer() -> None:
    world = World(spool=ListSpool(max_events=40))
    world.broker.hangs = True
    world.offer(100)
    world.run(3.0)
    assert (world.buffer.stats().spooled, world.buffer.stats().buffered) == (40, 60)
    world.broker.hangs = False
    world.run(5.0)

    assert world.stored == list(range(100))


def test_a_silent_broker_costs_the_end_no_time_where_there_is_a_spool(spool: Spool) -> None:
    world = World(spool=spool)
    world.broker.hangs = True
    world.offer(100)
    world.run(2.0)

    assert world.end(60.0) < 0.1
    assert world.buffer.stats().spooled == 100


def test_the_next_process_sends_the_events_that_one_process_spooled(tmp_path: Path) -> None:
    world = World(spool=FileSpool(tmp_path, max_bytes=8 << 20))
    world.broker.hangs = True
    world.offer(2_500)
    world.end(2.0)
    assert world.buffer.stats().spooled == 2_500

    later = World(spool=FileSpool(tmp_path, max_bytes=8 << 20))
    later.run(3.0)
    later.end()

    assert later.stored == list(range(2_500))
    assert (later.buffer.stats().replayed, later.buffer.stats().accepted) == (2_500, 0)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 400)),
        st.tuples(st.just("run"), st.sampled_from([0.01, 0.3, 1.5, 6.0])),
        st.tuples(st.sampled_from(["hang", "answer", "lose", "break", "raise"]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(actions, st.sampled_from([None, 30, 100_000]))
@example(
    # The buffer is half full while events are with a producer that then loses them.
    [
        *(("lose", 0), ("hang", 0), ("offer", 850), ("run", 0.01), ("offer", 460), ("run", 0.3)),
        ("answer", 0),
    ],
    100_000,
)
def test_all_events_arrive_in_order_through_random_failures(
    program: list[tuple[str, float]], spool_events: int | None
) -> None:
    world = World(
        spool=None if spool_events is None else ListSpool(max_events=spool_events), max_events=2_000
    )
    for what, amount in program:
        if what == "offer":
            world.offer(int(amount))
        elif what == "run":
            world.run(amount)
        elif what in {"hang", "answer"}:
            world.broker.hangs = what == "hang"
        elif what == "lose":
            world.broker.loses = 1
        elif what == "break":
            world.broker.breaks = True
        else:
            world.drain.recover()
        world.check()
    world.broker.hangs = False
    world.run(60.0)
    world.end()

    accepted = world.buffer.stats().accepted
    assert world.buffer.stats().delivered == accepted
    assert len(set(world.stored)) == accepted
    assert world.stored == sorted(world.stored)

"""What is known of each client process, against sets that forget nothing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.features.support import APPENDED, DAY, T0, Record, cancelled, finished, started

from gnomon import codec
from gnomon.events import ClientSeen, TaskEvent
from gnomon.features import FeaturesState, fold, producers, restore, snapshot
from gnomon.features.config import FeaturesConfig
from gnomon.features.producers import Producers

Sent = tuple[str | None, int | None]
WEEK = 7 * DAY


def event(sent: Sent) -> TaskEvent:
    return msgspec.structs.replace(started("t", T0), producer_id=sent[0], seq=sent[1])


def take(known: Producers, log: Sequence[Sent], *, at_ms: int = APPENDED) -> list[int]:
    events = [event(sent) for sent in log]
    return list(known.mark_read([Record(b"", timestamp=at_ms)] * len(log), events))


def seen(known: Producers) -> dict[str, tuple[int, int, int]]:
    """Received, repeated and last, by producer, as they are told."""
    told = [codec.decode_client_event(value or b"") for _, value in known.report(0)]
    return {
        s.producer_id: (s.received, s.repeated, s.last_seq)
        for s in told
        if isinstance(s, ClientSeen)
    }


class Sets:
    """The plain model."""

    def __init__(self) -> None:
        self.read: dict[str, set[int]] = defaultdict(set)
        self.repeated: dict[str, int] = defaultdict(int)

    def take(self, log: Sequence[Sent]) -> Iterator[int]:
        for at, (producer_id, seq) in enumerate(log):
            if producer_id is None or seq is None:
                continue
            if seq in self.read[producer_id]:
                self.repeated[producer_id] += 1
                yield at
            self.read[producer_id].add(seq)

    def seen(self) -> dict[str, tuple[int, int, int]]:
        return {
            name: (len(read), self.repeated[name], max(read)) for name, read in self.read.items()
        }


names = st.sampled_from(["p", "q", "r", None])
near = st.one_of(st.integers(0, 40), st.integers(3_000, 3_020), st.integers(65_480, 65_535))
far = st.builds(
    lambda step, jitter: step * 40_000 + jitter, st.integers(0, 60), st.integers(-1_100, 1_100)
).map(lambda seq: max(0, seq))
cuts = st.lists(st.integers(1, 20), max_size=12)


def batches(log: list[Sent], sizes: list[int]) -> Iterator[list[Sent]]:
    for size in sizes:
        yield log[:size]
        log = log[size:]
    yield log


@given(st.lists(st.tuples(names, st.none() | near), max_size=80), cuts)
def test_within_the_window_nothing_differs_from_sets(log: list[Sent], sizes: list[int]) -> None:
    known, model = Producers(), Sets()
    for batch in batches(log, sizes):
        assert take(known, batch) == list(model.take(batch))
    assert seen(known) == model.seen()
    assert known.repeated == sum(model.repeated.values())


@given(st.lists(st.tuples(names, far), max_size=80), cuts)
@example([("p", 0), ("p", 70_000), ("p", 1), ("p", 1), ("p", 0)], [])
def test_however_far_apart_nothing_is_dropped_or_counted_on_a_guess(
    log: list[Sent], sizes: list[int]
) -> None:
    known, model = Producers(), Sets()
    for batch in batches(log, sizes):
        assert set(take(known, batch)) <= set(model.take(batch))
    truth = model.seen()
    for name, (received, repeated, last) in seen(known).items():
        assert received <= truth[name][0]
        assert repeated <= truth[name][1]
        assert last == truth[name][2]


@given(st.lists(st.tuples(names, near | far), max_size=80), cuts)
def test_where_a_batch_ends_makes_no_difference(log: list[Sent], sizes: list[int]) -> None:
    """Nor does a snapshot, which is the same to the last bit."""
    whole, parts = FeaturesState(), FeaturesState()
    repeats = take(whole.producers, log)
    got, at = [], 0
    for batch in batches(log, sizes):
        got += [at + i for i in take(parts.producers, batch)]
        at += len(batch)
        parts = restore(snapshot(parts))
    assert got == repeats
    assert snapshot(parts) == snapshot(whole)


@settings(deadline=None)
@given(
    st.integers(1, 5_000), st.integers(1_100, 9_000), st.integers(1, 200_000), st.integers(1, 50)
)
def test_a_spool_replayed_long_afterwards_is_counted_exactly(
    before: int, outage: int, after: int, step: int
) -> None:
    """Some, then a gap, then so many that the gap may be far away, then the gap, in order."""
    known, model = Producers(), Sets()
    live = [*range(before), *range(before + outage, before + outage + after, 70)]
    for seqs in (live, range(before, before + outage, step)):
        log: list[Sent] = [("p", seq) for seq in seqs]
        assert take(known, log) == list(model.take(log)) == []
    assert seen(known) == model.seen()


def test_each_gap_of_many_outages_is_remembered() -> None:
    """Thirty gaps over three million events, replayed in another order."""
    known = Producers()
    width, every, step = 2_000, 100_000, 100
    gaps = [range(n * every, n * every + width, step) for n in range(1, 31)]
    inside = {seq for gap in gaps for seq in gap}
    live = [seq for seq in range(0, 31 * every, step) if seq not in inside]
    for seqs in (live, *gaps[::-2], *gaps[::2]):
        assert take(known, [("p", seq) for seq in seqs]) == []
    assert seen(known) == {"p": (31 * every // step, 0, 31 * every - step)}


def test_memory_is_bounded_whatever_the_seq() -> None:
    state = FeaturesState()
    for n in range(2_000):
        take(state.producers, [("p", n * 2**40), ("p", n * 2**40 - n)][: 1 + (n > 0)])
    assert len(snapshot(state)) < 10_000
    for first in range(0, 1_000_000, 10_000):
        take(state.producers, [("q", seq) for seq in range(first, first + 10_000, 97)])
    assert len(snapshot(state)) < 20_000


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize(
    ("silent_ms", "repeats"),
    [(0, [0]), (6 * DAY, [0]), (WEEK, [0]), (2 * WEEK, []), (9 * WEEK, [])],
)
def test_a_producer_long_silent_is_forgotten(
    *, silent_ms: int, repeats: list[int], others: bool
) -> None:
    """A week of the log's own time is remembered at least, two at most."""
    known = Producers()
    take(known, [("p", 5)])
    if others:
        take(known, [("q", 1)], at_ms=APPENDED + silent_ms // 2)
        take(known, [("q", 2)], at_ms=APPENDED + silent_ms)
    assert take(known, [("p", 5)], at_ms=APPENDED + silent_ms) == repeats


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("others", "repeats"), [(9, [0]), (10, [0]), (20, [])])
def test_of_too_many_the_oldest_are_forgotten(
    *, others: int, repeats: list[int], at_once: bool
) -> None:
    log: list[Sent] = [("p", 5), *((f"q{n}", 0) for n in range(others))]
    with patch.object(producers, "MAX_PRODUCERS", 10):
        known = Producers()
        for batch in [log] if at_once else [[sent] for sent in log]:
            take(known, batch)
        assert len(known) <= 20
        assert take(known, [("p", 5)]) == repeats


@given(
    st.lists(
        st.tuples(
            st.sampled_from([f"p{n}" for n in range(9)]),
            st.integers(0, 5),
            st.sampled_from([0] * 20 + [1, 5 * DAY, WEEK, 15 * DAY]),
        ),
        max_size=60,
    ),
    cuts,
)
def test_what_is_forgotten_does_not_depend_on_batches(
    log: list[tuple[str, int, int]], sizes: list[int]
) -> None:
    whole, parts = FeaturesState(), FeaturesState()
    at_ms, records, events = APPENDED, [], []
    for name, seq, later_ms in log:
        at_ms += later_ms
        records.append(Record(b"", timestamp=at_ms))
        events.append(event((name, seq)))
    with patch.object(producers, "MAX_PRODUCERS", 4):
        expected = whole.producers.mark_read(records, events)
        got, at = [], 0
        for size in [*sizes, len(log)]:
            taken = parts.producers.mark_read(records[at : at + size], events[at : at + size])
            got += [at + i for i in taken]
            at += size
    assert got == list(expected)
    assert snapshot(parts) == snapshot(whole)


def test_what_changed_is_told_once() -> None:
    known = Producers()
    take(known, [("p", 0), ("q", 7), (None, 3), ("p", None)])
    rows = known.report(2)
    assert [key for key, _ in rows] == [b"p/2", b"q/2"]
    assert codec.decode_client_event(rows[1][1] or b"") == ClientSeen(
        producer_id="q", partition=2, received=1, repeated=0, last_seq=7, as_of_ms=APPENDED
    )
    assert known.report(2) == []
    take(known, [("q", 7)], at_ms=APPENDED + 5)
    assert seen(known) == {"q": (1, 1, 7)}


def test_what_was_not_told_before_a_snapshot_is_told_after_it() -> None:
    state = FeaturesState()
    take(state.producers, [("p", 0), ("q", 0)])
    state.producers.report(0)
    take(state.producers, [("q", 1)])
    assert seen(restore(snapshot(state)).producers) == {"q": (2, 0, 1)}


def test_a_repeat_is_dropped_whatever_it_is_of() -> None:
    """Also when the task's end has been forgotten, or was never noted."""
    config, state = FeaturesConfig(), FeaturesState()
    log = [
        started("t1", T0),
        finished("t1", T0 + 60_000),
        started("t2", T0 + 61_000),
        cancelled("t2", T0 + 62_000),
        finished("t3", T0 + 5 * DAY),
    ]
    named = [
        Record(codec.encode(msgspec.structs.replace(e, producer_id="p", seq=n)))
        for n, e in enumerate(log)
    ]
    fold(state, named, config=config)
    agent = state.agents["a"].columns()
    again = fold(state, named, config=config)
    assert again.by_topic == {}
    assert again.dead == []
    assert state.agents["a"].columns() == agent
    assert state.producers.repeated == 5


def test_what_an_operator_sends_again_is_folded_again() -> None:
    """A record ahead of its time is refused; sent again later, under the same name, it is right."""
    state = FeaturesState()
    value = codec.encode(event(("p", 0)))
    early = fold(state, [Record(value, timestamp=T0 - 3_600_000)], config=FeaturesConfig())
    assert [letter.reason for letter in early.dead] == ["clock_ahead"]
    dropped = fold(state, [Record(value, timestamp=T0)], config=FeaturesConfig())
    redriven = Record(value, timestamp=T0, headers=(("gnomon-redriven", b"0-7"),))
    again = fold(state, [redriven], config=FeaturesConfig())
    assert dropped.by_topic == {}
    assert len(again.by_topic["task-features"]) == 1


@pytest.mark.parametrize(("back", "told"), [(1, True), (65_535, True), (65_536, False)])
def test_where_the_window_ends(back: int, *, told: bool) -> None:
    """Read once and again: a repeat for certain, or neither dropped nor counted once more."""
    known, first = Producers(), 5_000
    later = [*range(first + 1, first + back, 500), first + back]
    take(known, [("p", first), *(("p", seq) for seq in later)])

    assert take(known, [("p", first)]) == ([0] if told else [])
    assert seen(known) == {"p": (1 + len(dict.fromkeys(later)), int(told), first + back)}

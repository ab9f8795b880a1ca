# ruff: noqa: S311  the random numbers are material to work on
"""Tests of the fleet: its work is real, follows from the seed, and is published as it happened."""

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from random import Random

import pytest
from tests.support.client.producers import MemoryProducer, in_place_of_kafka

from gnomon import codec
from gnomon.client import Client
from gnomon.client.delivery.ports import Outcomes
from gnomon.demo import work
from gnomon.demo.fleet import AGENTS, Agent, run_fleet
from gnomon.demo.work import KINDS, Kind
from gnomon.events import TaskEvent, TaskFinished, TaskStarted


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[TaskEvent]:
    """Events that clients made in this test have delivered."""
    events: list[TaskEvent] = []

    class ToMemory(MemoryProducer):
        def poll(self, timeout_s: float) -> Outcomes:
            known = len(self.records)
            outcomes = super().poll(timeout_s)
            events.extend(codec.decode_task_event(r.value) for r in self.records[known:])
            return outcomes

    monkeypatch.setattr("gnomon.client.capture.intake.kafka", in_place_of_kafka(ToMemory()))
    return events


@pytest.fixture
def client(published: list[TaskEvent]) -> Iterator[Client]:
    with Client("kafka.invalid:9092") as made:
        yield made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_does_its_work(kind: Kind) -> None:
    results: list[object] = []
    for seed in range(40):  # a few of inflate and parse are broken on purpose
        try:
            results.append(kind.prepare(Random(seed), kind.smallest)())
        except (zlib.error, gzip.BadGzipFile, EOFError, json.JSONDecodeError):
            continue
        if len(results) == 2:
            break

    assert len(results) == 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sizes_spread_evenly_over_octaves(kind: Kind) -> None:
    sizes = [kind.draw_size(Random(seed)) for seed in range(400)]

    assert kind.smallest <= min(sizes) < max(sizes) <= kind.largest
    below = sum(size * size < kind.smallest * kind.largest for size in sizes)
    assert 150 < below < 250


def test_a_large_block_is_damaged_more_often_than_a_small_one() -> None:
    def damaged(size: int) -> int:
        count = 0
        for seed in range(30):
            try:
                work.INFLATE.prepare(Random(seed), size)()
            except (zlib.error, gzip.BadGzipFile, EOFError):
                count += 1
        return count

    assert damaged(1_500_000) <= 3
    assert damaged(25_000_000) >= 18


def test_the_primes_below_a_hundred_thousand() -> None:
    assert work.SIEVE.prepare(Random(0), 100_000)() == 9_592


def test_some_drafts_need_more_rounds_than_others() -> None:
    rounds = {work.REVISE.prepare(Random(seed), 20_000)() for seed in range(20)}

    assert len(rounds) >= 3
    assert rounds <= set(range(1, 10))


def test_sqlite_and_matrices_compute() -> None:
    rows = work.QUERY.prepare(Random(0), 500)()
    product = work.MULTIPLY.prepare(Random(0), 3)()

    assert isinstance(rows, list)
    assert sum(row[1] for row in rows) == 500
    assert isinstance(product, list)
    assert [len(row) for row in product] == [3, 3, 3]
    assert all(0 < value < 3 for row in product for value in row)


def test_a_fleet_publishes_what_it_did(client: Client, published: list[TaskEvent]) -> None:
    summary = run_fleet(client, seconds=2.0, seed=3, stop=threading.Event())

    assert client.flush(5) == 0
    starts = [event for event in published if isinstance(event, TaskStarted)]
    ends = [event for event in published if isinstance(event, TaskFinished)]
    assert len(starts) == len(ends) == summary.tasks == sum(summary.tasks_by_agent.values()) > 10
    assert sum(not event.succeeded for event in ends) == summary.failed
    assert {event.task_id for event in starts} == {event.task_id for event in ends}
    assert all(event.duration_s > 0 for event in ends)
    assert sum(event.duration_s for event in ends) == pytest.approx(summary.busy_s, rel=0.2)
    kinds = {agent.agent_id: {kind.name for kind in agent.kinds} for agent in AGENTS}
    estimating = {agent.agent_id for agent in AGENTS if agent.estimates}
    for event in starts:
        assert event.task_type in kinds[event.agent_id]
        assert isinstance(event.context["size"], int)
        assert (event.estimate_s is not None) == (event.agent_id in estimating)


def test_the_seed_decides_what_is_done(client: Client, published: list[TaskEvent]) -> None:
    alone = [Agent(agent_id="one", kinds=(work.SORT, work.BUNDLE), tasks_per_s=15.0)]

    def first_tasks(seed: int) -> list[tuple[str, object]]:
        published.clear()
        run_fleet(client, seconds=0.6, seed=seed, stop=threading.Event(), agents=alone)
        assert client.flush(5) == 0
        starts = [event for event in published if isinstance(event, TaskStarted)]
        return [(event.task_type, event.context["size"]) for event in starts]

    once, again, other = first_tasks(5), first_tasks(5), first_tasks(6)
    shared = min(len(once), len(again))
    assert shared > 0
    assert once[:shared] == again[:shared]
    assert once[:1] != other[:1]


def test_a_fleet_stops_when_told(client: Client) -> None:
    stop = threading.Event()
    stop.set()

    summary = run_fleet(client, seconds=600, seed=1, stop=stop)

    assert summary.tasks == 0
    assert summary.seconds < 5

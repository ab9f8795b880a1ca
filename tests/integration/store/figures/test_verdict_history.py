"""Tests of verdicts over time: one worker judges and stores the last verdict of each hour."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import repeat

import pytest
from tests.support.polling import eventually
from tests.unit.stages.test_interval_corrections import Topic
from tests.unit.stages.test_live_verdicts import RULES, publish, unreadable
from tests.unit.verdict.build import simulated

from gnomon.stages.verdict_history import LEASE, VerdictHistory
from gnomon.store import DecisionStore
from gnomon.store.queries import HOUR_MS, FigureQueries
from gnomon.verdict import LiveEvidence, ModelVerdict, judge, merge_evidence


@pytest.fixture
def topic() -> Topic:
    topic = Topic()
    publish(topic, ROWS, partitions=3)
    return topic


ROWS = simulated(hours=40, agents=4, ratio=0.5)


def expected() -> ModelVerdict:
    live = LiveEvidence(RULES)
    for row in ROWS:
        live.add(row)
    (evidence,) = merge_evidence([event for _, event in live.close(0) if event is not None])
    (model,) = judge(evidence, drills=(), now_ms=0)
    return model


@asynccontextmanager
async def storing(topic: Topic, store: DecisionStore, at_ms: int) -> AsyncIterator[VerdictHistory]:
    history = VerdictHistory(
        topic.read, drills=unreadable, now_ms=repeat(at_ms).__next__, every_s=0.01
    )
    history.start(store)
    try:
        yield history
    finally:
        await history.stop()


async def stored_at(queries: FigureQueries, at_ms: int) -> None:
    await eventually(
        lambda: at_ms in {each.at_ms for each in queries.last_verdicts()},
        what=f"a verdict of {at_ms} is stored",
    )


async def test_the_last_verdict_of_each_hour_is_stored(
    store: DecisionStore, url: str, topic: Topic
) -> None:
    model = expected()
    with closing(FigureQueries(url)) as queries:
        for at_ms in (5 * HOUR_MS, 5 * HOUR_MS + 9, 900_000 * HOUR_MS):
            async with storing(topic, store, at_ms):
                await stored_at(queries, at_ms)
        found = queries.verdicts_over_time()
        assert [(each.hour, each.at_ms) for each in found] == [
            (5, 5 * HOUR_MS + 9),
            (900_000, 900_000 * HOUR_MS),
        ]
        last = queries.last_verdicts()[0]
        assert (last.model, last.version, last.word) == (model.name, model.version, model.word)
        assert last.decisions == model.decisions
        assert last.improvement == model.criteria["improvement"].estimate
        assert last.blocked_by == ",".join(model.blocked_by)
        improvements = queries.improvements_over_time(
            model.name, model.version, since_ms=6 * HOUR_MS
        )
        assert {(each.baseline, each.loss): (each.estimate, each.low) for each in improvements} == {
            (baseline, loss): (compared.estimate, compared.low)
            for baseline, losses in model.against.items()
            for loss, compared in losses.items()
        }
        lines = queries.checklist(last)
        assert {line.name for line in lines} == {item.name for item in model.checklist}


async def test_one_of_two_workers_judges(store: DecisionStore, url: str, topic: Topic) -> None:
    with closing(FigureQueries(url)) as queries:
        async with storing(topic, store, 5 * HOUR_MS):
            await eventually(lambda: bool(queries.last_verdicts()), what="the first has judged")
            async with storing(topic, store, 5 * HOUR_MS + 1) as second:
                await eventually(lambda: not second.degraded(), what="the second has looked")
            assert queries.last_verdicts()[0].at_ms == 5 * HOUR_MS


async def test_another_takes_over_from_one_that_was_killed(
    store: DecisionStore, url: str, topic: Topic
) -> None:
    assert store.lease(LEASE, owner="killed").acquire(now_ms=5 * HOUR_MS, for_ms=1_000)
    with closing(FigureQueries(url)) as queries:
        async with storing(topic, store, 5 * HOUR_MS + 999) as early:
            await eventually(lambda: not early.degraded(), what="it has looked")
        assert queries.last_verdicts() == []
        async with storing(topic, store, 5 * HOUR_MS + 1_000):
            await stored_at(queries, 5 * HOUR_MS + 1_000)


async def test_a_topic_that_cannot_be_read_is_told(store: DecisionStore, topic: Topic) -> None:
    topic.away = True
    async with storing(topic, store, 5 * HOUR_MS) as history:
        await eventually(lambda: bool(history.degraded()), what="it is told")
        assert "storing verdicts" in history.degraded()[0]
        topic.away = False
        await eventually(lambda: not history.degraded(), what="it goes on")

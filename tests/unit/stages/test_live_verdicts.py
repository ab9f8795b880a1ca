"""The words over all partitions: followed, shown as a gauge, and written with the metrics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tests.support.polling import eventually
from tests.unit.comparison.build import features, finished, predicted, started
from tests.unit.stages.test_interval_corrections import Topic
from tests.unit.verdict.build import simulated

from gnomon import codec
from gnomon.errors import ConfigurationError
from gnomon.events import ModelMetrics
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage
from gnomon.stages.live_verdicts import LiveVerdicts
from gnomon.verdict import LIVE_SETTINGS, Decided, Drill, LiveEvidence

RULES = msgspec.structs.replace(LIVE_SETTINGS, mature_after_s=0.0)


def publish(topic: Topic, rows: Sequence[Decided], partitions: int) -> None:
    """Write the evidence of ``rows`` as partitions do."""
    for partition in range(partitions):
        live = LiveEvidence(RULES)
        for row in rows:
            if int(row.agent_id[-1]) % partitions == partition:
                live.add(row)
        for key, event in live.close(partition):
            value = None if event is None else codec.encode(event)
            topic.write(key.encode(), value, partition)


def told(verdicts: LiveVerdicts) -> str | None:
    found = verdicts.words.get(("m", "1"))
    return None if found is None else found.word


def unreadable() -> Sequence[Drill]:
    raise ConfigurationError("no report of a drill")


@asynccontextmanager
async def following(
    topic: Topic, drills: Any = tuple
) -> AsyncIterator[tuple[LiveVerdicts, Metrics]]:
    metrics = Metrics()
    verdicts = LiveVerdicts(
        topic.read, drills=drills, metrics=metrics, now_ms=lambda: 0, every_s=0.01
    )
    await verdicts.start()
    try:
        yield verdicts, metrics
    finally:
        await verdicts.stop()


async def test_the_words_are_those_of_all_partitions() -> None:
    topic = Topic()
    topic.away = True
    async with following(topic, unreadable) as (verdicts, metrics):
        topic.away = False
        publish(topic, simulated(ratio=1.6), 2)
        await eventually(lambda: told(verdicts) == "STOP-HARM", what="the word")
        assert {"improvement", "drills"} <= set(verdicts.words["m", "1"].blocked_by)
        shown = metrics.exposition()[0].decode()
        assert 'gnomon_verdict{model="m",version="1"} -2.0' in shown
        topic.write(None, b"no evidence")
        publish(topic, simulated(ratio=0.6), 2)
        await eventually(
            lambda: verdicts.words["m", "1"].blocked_by == ["drills"], what="the better word"
        )


async def test_the_metrics_have_the_word() -> None:
    topic = Topic()
    publish(topic, simulated(ratio=1.6), 1)
    async with following(topic) as (verdicts, metrics):
        await eventually(lambda: bool(verdicts.words), what="a word")
        stage = ComparisonStage(Settings(topic_prefix="test-"), metrics=metrics, verdicts=verdicts)
        task = [started("t"), features("t"), predicted("t", of=2)]
        task += [predicted("t", of=2, model="m", version="1"), finished("t", 1)]
        state = stage.new_state(0)
        await stage.apply(state, task)
        outputs = stage.tick(state, 0)
        assert outputs is not None
        written = [
            record
            for _, value in outputs.by_topic["comparison-metrics"]
            if isinstance(record := codec.decode_metrics(value or b""), ModelMetrics)
        ]
        words = {(r.model, r.slice, r.window): r.verdict for r in written}
        assert words["m", "all", "all"] == "STOP-HARM"
        assert {key for key, word in words.items() if word} == {("m", "all", "all")}
        assert stage.status()["verdicts"] == {"m@1": "STOP-HARM"}


async def test_a_judgement_that_breaks_is_named_and_made_again() -> None:
    topic, broken = Topic(), True

    def drills() -> Sequence[Drill]:
        if broken:
            raise ZeroDivisionError("a fault of a rule")
        return ()

    publish(topic, simulated(ratio=1.6), 1)
    async with following(topic, drills) as (verdicts, metrics):
        stage = ComparisonStage(Settings(), metrics=metrics, verdicts=verdicts)
        await eventually(lambda: bool(stage.degraded()), what="readiness says so")
        assert stage.degraded() == ["judging: ZeroDivisionError('a fault of a rule')"]
        assert told(verdicts) is None

        broken = False
        await eventually(lambda: told(verdicts) == "STOP-HARM", what="the same evidence's word")
        assert stage.degraded() == []

"""The shadow stage's intervals, and how what comparison learns of them gets back to it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.kafka.topic_in_memory import Record, TopicInMemory
from tests.support.polling import eventually
from tests.unit.stages.test_predicting import UNLIMITED, Live, Minute, a_task, loaded

from gnomon import codec
from gnomon.comparison import ComparisonConfig, ComparisonState, fold
from gnomon.events import FeatureVector, IntervalCorrection, Prediction, TaskFinished, TaskStarted
from gnomon.models.protocols import Estimates
from gnomon.records import Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.interval_corrections import LiveCorrections
from gnomon.stages.shadow import ShadowStage

START_MS = 1_760_000_000_000


class Spread:
    """Ten seconds, give or take a level's share of them: from 5 to 5 + 10 x level."""

    def predict(self, frame: Any) -> Any:
        raise AssertionError("it predicts columns")

    def predict_columns(self, columns: Any, count: int) -> NDArray[np.float64]:
        return np.full((count, 2), [10.0, 0.5])

    def estimate(self, columns: Any, count: int, levels: Sequence[float]) -> Estimates:
        quantiles = np.tile(5.0 + 10.0 * np.array(levels), (count, 1))
        return Estimates(self.predict_columns(columns, count), quantiles)


class Topic(TopicInMemory):
    """interval-corrections in memory."""

    def correct(self, value: float, *, level: int = 80, n: int = 30, partition: int = 0) -> None:
        record = IntervalCorrection(
            sha256="sha-3", bucket=1, level=level, partition=partition, n=n, miss_share=0.2,
            correction=value,
        )  # fmt: skip
        self.write(f"sha-3|1|{level}|p{partition}".encode(), codec.encode(record), partition)


@asynccontextmanager
async def following(topic: Topic) -> AsyncIterator[tuple[ShadowStage, LiveCorrections]]:
    corrections = LiveCorrections(topic.read, retry_s=0.01)
    models: Any = Live(loaded(Spread(), "3"), loaded(Minute(), "4"))
    stage = ShadowStage(
        models, metrics=Metrics(), now_ms=lambda: 0, corrections=corrections, limits=UNLIMITED
    )
    await corrections.start()
    try:
        yield stage, corrections
    finally:
        await corrections.stop()


async def intervals(
    stage: ShadowStage, *, partition: int = 0, runs: int = 1
) -> dict[str, dict[str, Any] | None]:
    """The intervals of one task by model and version."""
    task = a_task(features=FeatureVector(same_type_runs=runs))
    outputs = await stage.apply(None, [Record(0, codec.encode(task), partition=partition)])
    records = [msgspec.json.decode(v or b"") for _, v in outputs.topic("shadow-predictions")]
    return {f"{record['model']} {record['version']}": record["intervals"] for record in records}


async def test_without_corrections_the_models_own_quantiles_are_published() -> None:
    async with following(Topic()) as (stage, _):
        found = await intervals(stage, runs=7)

    assert found.pop("gnomon 3") == {
        "bucket": 3,
        "by_level": {
            "80": {
                "low_s": 6.0, "high_s": 14.0, "own_low_s": 6.0, "own_high_s": 14.0,
                "correction": 0.0,
            },
            "90": {
                "low_s": 5.5, "high_s": 14.5, "own_low_s": 5.5, "own_high_s": 14.5,
                "correction": 0.0,
            },
        },
        "rule": 1,
    }  # fmt: skip
    assert found == {"control 0": None, "same-type 0": None, "type 0": None, "gnomon 4": None}


async def test_corrections_of_before_the_start_and_after_it_apply_and_are_told() -> None:
    topic = Topic()
    topic.correct(0.693147)
    async with following(topic) as (stage, corrections):
        first = (await intervals(stage))["gnomon 3"]
        topic.correct(1.0, level=90)
        await eventually(lambda: corrections.records == 2, what="the second record is read")
        second = (await intervals(stage))["gnomon 3"]
        elsewhere = (await intervals(stage, runs=2))["gnomon 3"]

    assert first is not None
    assert second is not None
    assert elsewhere is not None
    # One plus the ends, doubled and halved.
    assert first["by_level"]["80"] == pytest.approx(
        {"low_s": 2.5, "high_s": 29.0, "own_low_s": 6.0, "own_high_s": 14.0, "correction": 0.693147}
    )
    assert first["by_level"]["90"]["correction"] == 0.0
    assert second["by_level"]["80"] == first["by_level"]["80"]
    assert second["by_level"]["90"]["correction"] == 1.0
    assert second["by_level"]["90"]["high_s"] == pytest.approx(15.5 * np.e - 1, rel=1e-4)
    assert [elsewhere["by_level"][level]["correction"] for level in ("80", "90")] == [0.0, 0.0]


async def test_the_tasks_own_partition_counts_most() -> None:
    topic = Topic()
    topic.correct(0.4, n=30, partition=0)
    topic.correct(0.0, n=10, partition=1)
    async with following(topic) as (stage, _):
        found = [(await intervals(stage, partition=p))["gnomon 3"] for p in (0, 1, 2)]

    used = [each["by_level"]["80"]["correction"] for each in found if each is not None]
    assert used == pytest.approx([(30 * 0.4 + 10 * 0.3) / 40, 10 * 0.3 / 20, 0.3])


async def test_a_topic_that_cannot_be_read_holds_up_nothing_and_is_tried_again() -> None:
    topic = Topic()
    topic.away = True
    topic.correct(0.5)
    async with following(topic) as (stage, corrections):
        before = (await intervals(stage))["gnomon 3"]
        topic.away = False
        await eventually(lambda: corrections.records == 1, what="the topic is read")
        after = (await intervals(stage))["gnomon 3"]

    assert before is not None
    assert after is not None
    assert before["by_level"]["80"]["correction"] == 0.0
    assert after["by_level"]["80"]["correction"] == 0.5


async def test_a_reader_that_breaks_is_named_and_begun_again() -> None:
    topic, broken = Topic(), False

    async def read(*, follow: bool) -> AsyncIterator[Any]:
        if broken:
            raise KeyError("a fault of the reader")
        async for record in topic.read(follow=False):
            yield record

    corrections = LiveCorrections(read, retry_s=0.01)
    await corrections.start()
    try:
        broken = True
        sentence = """following the corrections: KeyError('a fault of the reader')"""
        await eventually(lambda: corrections.degraded() == [sentence], what="readiness says so")

        broken = False
        topic.write(b"key", None)
        await eventually(lambda: corrections.records == 1, what="the record")
        await eventually(lambda: corrections.degraded() == [], what="readiness is back")
    finally:
        await corrections.stop()


async def there_and_back(durations: Sequence[float]) -> list[bytes]:
    """Task after task through both stages; the predictions of version 3 as they were written."""
    topic, state = Topic(), ComparisonState()
    config = ComparisonConfig(partition=0)
    predictions: list[bytes] = []
    async with following(topic) as (stage, corrections):
        for number, duration_s in enumerate(durations):
            at_ms = START_MS + number * 10_000
            names: dict[str, Any] = {"agent_id": "ada", "task_id": str(number), "task_type": "k"}
            vector = FeatureVector(same_type_runs=2)
            task = codec.encode(a_task(**names, started_at_ms=at_ms, features=vector))
            outputs = await stage.apply(None, [Record(number, task)])
            made = [value or b"" for _, value in outputs.topic("shadow-predictions")]
            predictions.append(made[3])
            started = TaskStarted(**names, started_at_ms=at_ms)
            finished = TaskFinished(
                **names, started_at_ms=at_ms, finished_at_ms=at_ms + 5000, duration_s=duration_s,
                succeeded=True,
            )  # fmt: skip
            batch = [
                on("task-events", codec.encode(started)), on("task-features", task),
                *(on("shadow-predictions", value) for value in made),
                on("task-events", codec.encode(finished)),
            ]  # fmt: skip
            publish(topic, fold(state, batch, config=config))
            await eventually(
                lambda: corrections.records == len(topic.records), what="corrections are followed"
            )
    return predictions


def on(topic: str, value: bytes) -> Record:
    return Record(0, value, topic, timestamp=START_MS + 10**9)


def publish(topic: Topic, outputs: Outputs) -> None:
    for key, value in outputs.by_topic.get("interval-corrections", []):
        topic.write(key, value)


def high_s(prediction: bytes) -> float:
    found = codec.decode_prediction(prediction)
    assert isinstance(found, Prediction)
    assert found.intervals is not None
    return found.intervals.by_level["80"].high_s


async def test_what_takes_longer_than_predicted_widens_the_next_interval() -> None:
    predictions = await there_and_back([200.0] * 12)

    assert high_s(predictions[0]) == 14.0
    assert high_s(predictions[1]) == pytest.approx(200.0, rel=1e-3)
    assert high_s(predictions[11]) == pytest.approx(200.0, rel=1e-3)


async def test_the_same_tasks_again_give_the_same_bytes_and_the_future_changes_none() -> None:
    durations = [3.0, 200.0, 14.5, 1.0, 11.0, 90.0]

    once, again = await there_and_back(durations), await there_and_back(durations)
    poisoned = await there_and_back([*durations[:4], 1e6, 0.0])

    assert once == again
    assert poisoned[:5] == once[:5]
    assert poisoned[5] != once[5]

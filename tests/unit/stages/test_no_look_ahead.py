"""What happens later changes nothing that was predicted, or found of a task, before it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

from gnomon import codec
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import COLUMNS
from gnomon.records import Headers, Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage
from gnomon.stages.features import FeaturesStage
from gnomon.stages.predicting.live_models import LiveModels
from gnomon.stages.shadow import ShadowStage

T0 = 1_700_000_000_000
CUT_MS = T0 + 3_600_000


@dataclass(frozen=True)
class Record:
    topic: str
    value: bytes | None
    key: bytes | None = b"ada"
    partition: int = 0
    offset: int = 0
    timestamp: int = T0 + 86_400_000
    headers: Headers = ()


class SumOfRow:
    """A model that shows every number that it was given."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        numbers = frame.select_dtypes("number").fillna(-1.0)
        weights = np.arange(1, numbers.shape[1] + 1)
        return pd.DataFrame(
            {
                "duration_s": np.abs(numbers @ weights),
                "success_probability": np.full(len(frame), 0.5),
            }
        )


def events(seed: int, *, poisoned: bool) -> list[TaskEvent]:
    """Tasks of four agents over two hours; with poison, those of the second hour are absurd."""
    chance = random.Random(seed)  # noqa: S311  a stream, not a secret
    made: list[TaskEvent] = []
    for number in range(300):
        agent, at_ms = f"agent-{number % 4}", T0 + chance.randrange(7_200_000)
        duration_s, succeeded = chance.lognormvariate(3, 1), chance.random() < 0.7
        started = TaskStarted(
            agent_id=agent,
            task_id=f"t{number}",
            task_type=chance.choice(["code", "review"]),
            started_at_ms=at_ms,
        )
        end_ms = at_ms + round(duration_s * 1000)
        if poisoned and end_ms > CUT_MS:
            duration_s, succeeded = 1e6, not succeeded
        finished = TaskFinished(
            agent_id=agent,
            task_id=f"t{number}",
            task_type=started.task_type,
            started_at_ms=at_ms,
            finished_at_ms=end_ms,
            duration_s=duration_s,
            succeeded=succeeded,
        )
        made += [started, finished] if not poisoned or at_ms <= CUT_MS else [finished, started]
    return sorted(made, key=codec.event_time_ms)


async def run_at_once(log: Sequence[TaskEvent]) -> dict[str, list[bytes]]:
    """Outputs of the three stages, each of which gets everything in one batch."""
    settings, metrics = Settings(), Metrics()
    model = LoadedModel(
        name="gnomon",
        version="1",
        sha256="ab" * 32,
        estimator=cast("Any", SumOfRow()),
        inputs=COLUMNS,
        outputs=("duration_s", "success_probability"),
    )
    live = cast("LiveModels", SimpleNamespace(live=(model,), absent=list))
    records = [Record("task-events", codec.encode(event)) for event in log]
    written: dict[str, list[bytes]] = {}
    stages: tuple[Any, ...] = (
        FeaturesStage(settings, metrics=metrics, now_ms=lambda: 0),
        ShadowStage(live, metrics=metrics, now_ms=lambda: T0),
        ComparisonStage(settings, metrics=metrics),
    )
    for stage in stages:
        given = [record for record in records if record.topic in stage.inputs]
        outputs: Outputs = await stage.apply(stage.new_state(0), given)
        for topic, found in outputs.by_topic.items():
            written[topic] = [value for _, value in found if value is not None]
            records += [Record(topic, value) for value in written[topic]]
    return written


async def test_poisoning_the_future_changes_nothing_before_it() -> None:
    for seed in range(3):
        clean, poisoned = [await run_at_once(events(seed, poisoned=p)) for p in (False, True)]
        predictions = []
        for written in (clean, poisoned):
            decoded = [codec.decode_prediction(value) for value in written["shadow-predictions"]]
            predictions.append([p for p in decoded if p.started_at_ms <= CUT_MS])
        assert predictions[0] == predictions[1]
        assert len(predictions[0]) > 400
        comparisons = []
        for written in (clean, poisoned):
            ended = [codec.decode_comparison(value) for value in written["comparisons"]]
            comparisons.append([c for c in ended if c.outcome.at_ms <= CUT_MS])
        assert comparisons[0] == comparisons[1]
        assert len(comparisons[0]) > 100
        assert clean["comparisons"] != poisoned["comparisons"]

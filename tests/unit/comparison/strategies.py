"""Logs of the three topics as the pipeline would write them, and ways to read them."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from tests.unit.comparison.build import PREFIX, T0, Record, event, prediction_record

from gnomon import codec
from gnomon.events import (
    Completeness,
    FeatureVector,
    Interval,
    Intervals,
    Prediction,
    PredictionEvent,
    PredictionShed,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskFinished,
    TaskStarted,
)

AGENTS = ("ada", "bob")
TASKS = ("t1", "t2", "t3")
MODELS = (("control", "0"), ("m", "1"), ("m", "2"))
EXPIRE_MS = 1000
"""Times the log's ``scale``: with the larger one, the window of 24 hours moves."""

seconds = st.sampled_from([0.0, 0.0004, 0.5, 1.0, 1.25, 2.0, 3.7, 1e4, 1e300])
poison = st.sampled_from(
    [None, b"", b"{", b"null", b'{"kind":"task_started.v1"}', b"\xff", b'"' + b"x" * 70_000]
)


@dataclass(frozen=True)
class Log:
    """The three topics of one partition, and the task events in it that are acceptable."""

    scale: int
    task_events: list[Record]
    task_features: list[Record]
    shadow_predictions: list[Record]
    events: list[TaskEvent]
    vectors: list[TaskFeatures]
    predictions: list[PredictionEvent]


interval = st.builds(Interval, low_s=seconds, high_s=seconds, own_low_s=seconds, own_high_s=seconds)
intervals = st.none() | st.builds(
    Intervals,
    bucket=st.integers(0, 4),
    by_level=st.dictionaries(st.sampled_from(["80", "90", "99"]), interval),
    rule=st.sampled_from([1, 1, 2]),
)


@st.composite
def task_events(draw: st.DrawFn, scale: int) -> TaskEvent:
    agent, task = draw(st.sampled_from(AGENTS)), draw(st.sampled_from(TASKS))
    at = T0 + scale * draw(st.integers(-1500, 6000))
    kind = draw(st.sampled_from(["start", "start", "finish", "finish", "cancel"]))
    if kind == "start":
        return TaskStarted(agent_id=agent, task_id=task, task_type="code", started_at_ms=at)
    if kind == "cancel":
        return TaskCancelled(agent_id=agent, task_id=task, cancelled_at_ms=at)
    return TaskFinished(
        agent_id=agent,
        task_id=task,
        task_type="code",
        started_at_ms=at,
        finished_at_ms=at,
        duration_s=min(draw(seconds), 9e6),
        succeeded=draw(st.booleans()),
    )


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Events mostly in the order of time, some out of it, some poisonous, some repeated."""
    scale = draw(st.sampled_from([1, 40_000]))
    events = draw(st.lists(task_events(scale), max_size=25))
    if draw(st.booleans()):
        kept = sorted(events, key=codec.event_time_ms)
        events = draw(st.sampled_from([kept, kept[:3] + events[:5] + kept[3:]]))
    records = []
    for what in events:
        if draw(st.integers(0, 9)) == 0:
            records.append(Record(PREFIX + "task-events", draw(poison)))
        if draw(st.integers(0, 9)) == 0:
            records.append(replace(event(what), timestamp=codec.event_time_ms(what) - 600_001))
        records.append(event(what))
    vectors = [
        _vector(e, number)
        for number, e in enumerate(events)
        if isinstance(e, TaskStarted) and draw(st.integers(0, 9)) > 0
    ]
    predictions = [p for v in vectors for p in draw(_predictions(v))]
    return Log(
        scale,
        records,
        [Record(PREFIX + "task-features", codec.encode(v)) for v in vectors],
        [prediction_record(p) for p in predictions],
        events,
        vectors,
        predictions,
    )


def _vector(started: TaskStarted, number: int) -> TaskFeatures:
    return TaskFeatures(
        agent_id=started.agent_id,
        task_id=started.task_id,
        task_type=started.task_type,
        started_at_ms=started.started_at_ms,
        features=FeatureVector(tasks_completed_1h=number),
        completeness=Completeness(hour_seen=0.5),
    )


@st.composite
def _predictions(draw: st.DrawFn, vector: TaskFeatures) -> list[PredictionEvent]:
    models = draw(st.lists(st.sampled_from(MODELS), max_size=4))
    made: list[PredictionEvent] = [
        Prediction(
            agent_id=vector.agent_id,
            task_id=vector.task_id,
            started_at_ms=vector.started_at_ms,
            model=model,
            version=version,
            predictors=max(1, len(set(models)) + draw(st.sampled_from([0, 0, 0, 1, -1]))),
            duration_s=draw(st.none() | seconds),
            success_probability=draw(st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])),
            sha256=draw(st.sampled_from([None, "ab" * 32])),
            intervals=draw(intervals),
        )
        for model, version in models
    ]
    if draw(st.integers(0, 4)) == 0:
        made.append(
            PredictionShed(
                agent_id=vector.agent_id,
                task_id=vector.task_id,
                started_at_ms=vector.started_at_ms,
            )
        )
    return made


@st.composite
def readings(draw: st.DrawFn, log: Log) -> list[list[Record]]:
    """All records in batches: each topic in its order, interleaved and cut in any way."""
    queues = [list(log.task_events), list(log.task_features), list(log.shadow_predictions)]
    turns = draw(st.permutations([i for i, queue in enumerate(queues) for _ in queue]))
    batches: list[list[Record]] = [[]]
    for topic in turns:
        if draw(st.integers(0, 3)) == 0:
            batches.append([])
        batches[-1].append(queues[topic].pop(0))
    return batches

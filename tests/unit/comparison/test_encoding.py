"""A comparison's JSON is that of the public Struct, though it is spliced from bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.comparison.build import (
    PREFIX,
    T0,
    Record,
    config,
    finished,
    predicted,
    run,
    started,
    vector,
)

from gnomon import codec
from gnomon.comparison import ComparisonState, decision_id, restore, snapshot
from gnomon.events import (
    Comparison,
    Completeness,
    FeatureVector,
    ModelPrediction,
    Outcome,
    Parts,
    TaskFeatures,
)

names = st.text(min_size=1, max_size=8).filter(lambda s: s.isprintable() or "\n" in s)
figures = st.none() | st.floats(0, 1e12)


@st.composite
def vectors(draw: st.DrawFn) -> TaskFeatures:
    return TaskFeatures(
        agent_id=draw(names),
        task_id=draw(names),
        task_type=draw(names),
        started_at_ms=T0,
        features=FeatureVector(
            tasks_completed_1h=draw(st.integers(0, 2**40)),
            avg_execution_time_1h=draw(figures),
            success_rate_1h=draw(st.none() | st.floats(0, 1)),
            same_type_avg_execution_time=draw(figures),
        ),
        completeness=Completeness(hour_seen=draw(st.floats(0, 1))),
        estimate_s=draw(figures),
        context=draw(st.dictionaries(names, st.none() | names | st.booleans() | st.floats(-1, 1))),
    )


@given(vectors(), figures, st.none() | st.floats(0, 1))
def test_the_bytes_are_those_of_the_codec(
    given_vector: TaskFeatures, duration_s: float | None, probability: float | None
) -> None:
    """``Seen.add`` compares the bytes with those of decoding and encoding again."""
    task, agent = given_vector.task_id, given_vector.agent_id
    seen = run(
        [
            started(task, agent=agent),
            Record(PREFIX + "task-features", codec.encode(given_vector)),
            predicted(
                task, agent=agent, model="m", version="4", sha256="cd" * 32,
                duration_s=duration_s, probability=probability,
            ),
            finished(task, 9, agent=agent, duration_s=8.5, succeeded=False),
        ]
    )  # fmt: skip
    assert seen.comparisons == [
        Comparison(
            decision_id=decision_id(agent, task),
            agent_id=agent,
            task_id=task,
            task_type=given_vector.task_type,
            started_at_ms=T0,
            features=given_vector.features,
            completeness=given_vector.completeness,
            predictions=[
                ModelPrediction(
                    model="m", version="4", duration_s=duration_s,
                    success_probability=probability, sha256="cd" * 32,
                )
            ],
            outcome=Outcome(
                status="matched", at_ms=T0 + 9, duration_s=8.5, succeeded=False,
                code_review_iterations=2,
            ),
            estimate_s=given_vector.estimate_s,
            context=given_vector.context,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("missing", ["estimate_s", "context"])
def test_an_older_record_without_an_optional_field_is_taken(missing: str) -> None:
    fields = msgspec.json.decode(codec.encode(vector("t")))
    del fields[missing]
    record = Record(PREFIX + "task-features", msgspec.json.encode(fields))
    (comparison,) = run([started("t"), record, predicted("t"), finished("t", 1)]).comparisons
    assert not getattr(comparison, missing)


def test_the_order_of_predictions_is_that_of_their_topic() -> None:
    models = ["z", "a", "control"]
    made = [predicted("t", model=m, of=3) for m in models]
    record = Record(PREFIX + "task-features", codec.encode(vector("t")))
    (comparison,) = run([*made, started("t"), record, finished("t", 1)]).comparisons
    assert [p.model for p in comparison.predictions] == models


@pytest.mark.parametrize("start_at", [0, 1, 2])
def test_the_first_features_count(start_at: int) -> None:
    records = [
        Record(PREFIX + "task-features", codec.encode(vector("t", kind=kind)))
        for kind in ("first", "second")
    ]
    records.insert(start_at, started("t"))
    (comparison,) = run([*records, predicted("t"), finished("t", 1)]).comparisons
    assert comparison.task_type == "first"


PARTS: Parts = {"pool": [4.5, 0.25], "boosted": [5.5, None]}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_what_the_parts_of_a_mix_predicted_is_passed_on(cut: int) -> None:
    """Also by a state that was stored in between."""
    record = Record(PREFIX + "task-features", codec.encode(vector("t")))
    mixed = predicted("t", model="m", version="1", of=2, parts=PARTS)
    records = [started("t"), record, predicted("t", of=2), mixed, finished("t", 1)]
    state = ComparisonState()

    first = run(records[: cut + 1], state=state)
    second = run(records[cut + 1 :], state=restore(snapshot(state), config=config()))

    (comparison,) = [*first.comparisons, *second.comparisons]
    assert [(p.model, p.parts) for p in comparison.predictions] == [("control", {}), ("m", PARTS)]

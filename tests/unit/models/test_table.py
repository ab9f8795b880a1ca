"""Rows for models."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.models.runs import a_task, runs, tasks

from gnomon.events import Completeness, FeatureVector, TaskFeatures
from gnomon.models.table import COLUMNS, Column, context_columns, to_frame

HOURLY = {
    "tasks_completed_1h",
    "avg_execution_time_1h",
    "success_rate_1h",
    "code_review_iterations",
    "median_execution_time_1h",
    "deployment_success_rate_1h",
    "tasks_in_flight",
}


def expected(task: TaskFeatures, name: str) -> Any:
    """One cell, the slow way; ``None`` for missing."""
    if name in {"agent_id", "task_type"}:
        return getattr(task, name)
    if name in HOURLY and task.completeness.hour_seen < 0.9:
        return None
    value = task.estimate_s if name == "estimate_s" else getattr(task.features, name)
    return None if value is None or abs(value) > 1e37 else value


def missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


@given(st.lists(tasks, max_size=8))
def test_each_row_is_its_task(given_tasks: list[TaskFeatures]) -> None:
    frame = to_frame(given_tasks)

    assert list(frame) == [name for name, _ in COLUMNS]
    assert len(frame) == len(given_tasks)
    for row, task in zip(frame.to_dict("records"), given_tasks, strict=True):
        for name, value in row.items():
            wanted = expected(task, name)
            assert missing(value) if wanted is None else value == wanted, name


def test_every_figure_of_the_vector_is_a_column() -> None:
    names = {name for name, _ in COLUMNS}

    assert set(FeatureVector.__struct_fields__) <= names


@pytest.mark.parametrize(
    ("hour_seen", "given_to_models"), [(0.0, False), (0.89, False), (0.9, True)]
)
def test_an_hour_that_was_not_seen_is_not_known(hour_seen: float, given_to_models: bool) -> None:  # noqa: FBT001
    features = FeatureVector(
        tasks_completed_1h=4, tasks_in_flight=2, success_rate_1h=0.5, agent_runs=7
    )

    row = to_frame([a_task(features=features, completeness=Completeness(hour_seen=hour_seen))])

    for name, value in (
        ("tasks_completed_1h", 4),
        ("tasks_in_flight", 2),
        ("success_rate_1h", 0.5),
    ):
        assert bool(row[name][0] == value) is given_to_models
        assert math.isnan(row[name][0]) is not given_to_models
    assert row["agent_runs"][0] == 7


def test_a_decision_and_its_start_give_the_same_row() -> None:
    decision = runs(1)[0]
    start = a_task(
        agent_id=decision.agent_id,
        task_type=decision.task_type,
        features=decision.features,
        context=decision.context,
    )
    columns = (*COLUMNS, Column("context_chars", "double"), Column("context_language", "string"))

    frame = to_frame([decision, start], columns)

    first, second = frame.to_dict("records")
    assert {k: v for k, v in first.items() if not missing(v)} == {
        k: v for k, v in second.items() if not missing(v)
    }
    assert first["context_chars"] == decision.context["chars"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (True, 1.0),
        (7, 7.0),
        (-2.5, -2.5),
        ("7", None),
        (None, None),
        (10**400, None),
        (1e300, None),
    ],
)
def test_context_numbers(value: object, cell: float | None) -> None:
    frame = to_frame([a_task(context={"size": value})], [Column("context_size", "double")])

    assert frame["context_size"].dtype == "float64"
    found = frame["context_size"][0]
    assert math.isnan(found) if cell is None else found == cell


@pytest.mark.parametrize(("value", "cell"), [("go", "go"), (7, None), (True, None), (None, None)])
def test_context_strings(value: object, cell: str | None) -> None:
    frame = to_frame([a_task(context={"language": value})], [Column("context_language", "string")])

    found = frame["context_language"][0]
    assert missing(found) if cell is None else found == cell


def test_a_name_that_nobody_gives_is_missing() -> None:
    columns = [Column("context_who", "double"), Column("context_what", "string")]

    row = to_frame([a_task()], columns).to_dict("records")[0]

    assert all(missing(value) for value in row.values())


def test_context_columns_follow_what_is_carried() -> None:
    rows = [a_task(context={"size": 1, "urgent": True, "language": "go", "mixed": "a"})] * 50
    rows += [a_task(context={"size": 2.5, "mixed": 3, "empty": None})] * 49
    rows += [a_task(context={"rare": 1})]

    assert context_columns(rows) == (
        Column("context_language", "string"),
        Column("context_size", "double"),
        Column("context_urgent", "double"),
    )


def test_there_are_at_most_32_context_columns_the_most_frequent() -> None:
    rows = [a_task(context={f"n{i:02}": 1 for i in range(40)})] * 2
    rows += [a_task(context={"n39": 1})]

    names = [name for name, _ in context_columns(rows)]

    assert len(names) == 32
    assert "context_n39" in names

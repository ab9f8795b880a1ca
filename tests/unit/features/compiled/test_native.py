"""The compiled memory is Python's to the last bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.support import (
    DAY,
    MINUTE,
    T0,
    configs,
    events,
    finished,
    random_log,
    records,
    started,
)

from gnomon.events import TaskEvent
from gnomon.features import (
    FeaturesConfig,
    FeaturesState,
    fold,
    implementation,
    restore,
    snapshot,
    tick,
)
from gnomon.features.memory.agent import Agent
from gnomon.features.memory.agent_memory import AgentColumns, AgentMemory
from gnomon.records import Outputs

pytestmark = pytest.mark.skipif(
    not implementation.COMPILED,
    reason="gnomon.features.compiled.native was not compiled here: pip install says why",
)
FORMS: list[type[AgentMemory]] = [Agent, implementation.Agent]


def _fold(form: type[AgentMemory], log: list[TaskEvent], config: FeaturesConfig) -> list[object]:
    """All that is written, and the snapshot, after each part of the log and a tick behind it."""
    state = FeaturesState(form)
    seen: list[object] = []
    for i in range(0, len(log), 40):
        outputs = fold(state, records(log[i : i + 40]), config=config)
        seen += [_written(outputs), snapshot(state), _written(tick(state, T0 + i * MINUTE))]
    return seen


def _written(outputs: Outputs) -> object:
    return outputs.by_topic, [(letter.reason, letter.detail) for letter in outputs.dead]


@given(events, configs)
def test_both_write_the_same_bytes(log: list[TaskEvent], config: FeaturesConfig) -> None:
    python, compiled = (_fold(form, log, config) for form in FORMS)

    assert compiled == python


@pytest.mark.parametrize("seed", range(3))
def test_both_write_the_same_bytes_of_a_long_log(seed: int) -> None:
    log = random_log(seed, count=4000)

    python, compiled = (_fold(form, log, FeaturesConfig()) for form in FORMS)

    assert compiled == python


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
            st.floats(0, 9_000_000.0),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_any_task_id_and_any_duration(tasks: list[tuple[str, float]]) -> None:
    """Sums beyond what a double holds exactly, and ids of every length and script."""
    log: list[TaskEvent] = []
    for i, (task_id, duration_s) in enumerate(tasks):
        log += [
            finished(task_id, T0 + i, duration_s=duration_s, reviews=100_000_000),
            started(f"{task_id}'", T0 + i),
        ]

    python, compiled = (_fold(form, log, FeaturesConfig()) for form in FORMS)

    assert compiled == python


@pytest.mark.parametrize(("writer", "reader"), [FORMS, FORMS[::-1]])
def test_each_goes_on_from_the_others_snapshot(
    writer: type[AgentMemory], reader: type[AgentMemory]
) -> None:
    log, config = random_log(7, count=3000), FeaturesConfig()
    whole, first = FeaturesState(reader), FeaturesState(writer)
    fold(whole, records(log[:2000]), config=config)
    fold(first, records(log[:2000]), config=config)

    second = restore(snapshot(first), reader)

    assert snapshot(second) == snapshot(first)
    assert _written(fold(second, records(log[2000:]), config=config)) == _written(
        fold(whole, records(log[2000:]), config=config)
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "data"),
    [
        ("times", b"\0" * 7),
        ("flags", b""),
        ("ended_codes", b"\0" * 16),
        ("flight_times", b""),
        ("late_times", b"\0" * 9),
        ("overall", b"\0" * 3),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    form: type[AgentMemory], column: str, data: bytes
) -> None:
    agent = form(T0, T0)
    for i in range(3):
        agent.finish(finished(f"t{i}", T0 + i), T0, DAY)
    agent.start(started("u", T0 + 9), T0, DAY)

    with pytest.raises(ValueError, match=r"column|integers|length|multiple|shorter"):
        form.restored(AgentColumns(**agent.columns()._asdict() | {column: data}))

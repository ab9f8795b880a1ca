"""The compiled loop writes what Python's does, whatever is in an event."""

import math
import struct
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.features.support import (
    DAY,
    HOUR,
    T0,
    Record,
    cancelled,
    events,
    finished,
    random_log,
    started,
)

from gnomon import codec
from gnomon.events import ContextValue, TaskEvent, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold, implementation, snapshot
from gnomon.features.memory.agent import Agent
from gnomon.features.memory.agent_memory import AgentMemory

pytestmark = pytest.mark.skipif(
    not implementation.COMPILED,
    reason="gnomon.features.compiled.batch was not compiled here: pip install says why",
)
FORMS: list[type[AgentMemory]] = [Agent, implementation.Agent]
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256) | st.text(
    st.characters(max_codepoint=127), min_size=1, max_size=256
)
contexts: st.SearchStrategy[dict[str, ContextValue]] = st.dictionaries(
    texts, texts | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans() | st.none()
)


def _written(form: type[AgentMemory], log: Sequence[TaskEvent], appended: Sequence[int]) -> object:
    """All that is written of one batch, and the state behind it."""
    state = FeaturesState(form)
    batch = [
        Record(codec.encode(event), timestamp=at_ms)
        for event, at_ms in zip(log, appended, strict=True)
    ]
    outputs = fold(state, batch, config=FeaturesConfig())
    dead = [(letter.reason, letter.detail, letter.record) for letter in outputs.dead]
    return outputs.by_topic, dead, state.appended_ms, snapshot(state)


def _both(log: Sequence[TaskEvent], appended: Sequence[int] | None = None) -> tuple[object, object]:
    python, compiled = (_written(form, log, appended or [T0 + DAY] * len(log)) for form in FORMS)
    return python, compiled


@given(
    st.tuples(texts, texts, texts),
    contexts,
    st.none() | st.binary(max_size=40),
    st.none() | st.text(max_size=55),
)
def test_any_text_and_any_context(
    names: tuple[str, str, str],
    context: dict[str, ContextValue],
    sealed: bytes | None,
    traceparent: str | None,
) -> None:
    agent, task, task_type = names
    event = TaskStarted(
        agent_id=agent,
        task_id=task,
        task_type=task_type,
        started_at_ms=T0,
        context=context,
        sealed_context=sealed,
        traceparent=traceparent,
    )

    python, compiled = _both([event])

    assert compiled == python


def _doubles() -> list[float]:
    """Where the distance to the next double changes, and each power of ten, with neighbours."""
    centres = [2.0**power for power in range(-1074, 1024)]
    centres += [float(f"{digit}e{power}") for power in range(-323, 308) for digit in (1, 5, 9.5)]
    near = [math.nextafter(at, to) for at in centres for to in (0.0, math.inf)]
    tiny = [struct.unpack("d", struct.pack("Q", bits))[0] for bits in range(1, 300)]
    whole = [float(2**53 + i) for i in range(-40, 40)] + [float(i) for i in range(300)]
    return centres + near + tiny + whole + [i / 1000 for i in range(1, 3000)] + [0.0, -0.0]


def _estimates(values: Sequence[float]) -> object:
    """How the compiled loop writes them."""
    log = [started(f"t{i}", T0, estimate_s=value) for i, value in enumerate(values)]
    state = FeaturesState(implementation.Agent)
    outputs = fold(state, [Record(codec.encode(e)) for e in log], config=FeaturesConfig())
    rows = [value or b"" for _, value in outputs.by_topic["task-features"]]
    return [row.partition(b'"estimate_s":')[2].partition(b",")[0] for row in rows]


def test_doubles_are_written_as_msgspec_writes_them() -> None:
    values = _doubles()
    assert _estimates(values) == [msgspec.json.encode(value) for value in values]


@given(st.lists(st.floats(0, allow_infinity=False), min_size=1))
@example([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308])
@example([1e-5, 9.999999999999999e-6, 1e16, 9999999999999998.0, 123456.0])
def test_any_double_is_written_as_msgspec_writes_it(values: list[float]) -> None:
    assert _estimates(values) == [msgspec.json.encode(value) for value in values]


@given(events, st.lists(st.integers(-12, 40 * 24), min_size=60, max_size=60))
def test_clocks_ahead_and_agents_forgotten_within_a_batch(
    log: list[TaskEvent], hours: list[int]
) -> None:
    """Append times that do not ascend, and jump by more than the memory of an agent."""
    python, compiled = _both(log, [T0 + at * HOUR for at in hours[: len(log)]])

    assert compiled == python


@given(events)
def test_pythons_loop_does_the_same_with_compiled_agents(log: list[TaskEvent]) -> None:
    """As where only the agents are compiled, by an older version."""
    appended = [T0 + 10 * DAY] * len(log)
    expected = _written(implementation.Agent, log, appended)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fold.__globals__, "_compiled", None)
        got = _written(implementation.Agent, log, appended)

    assert got == expected


def test_a_batch_of_many_agents_and_all_kinds_of_events() -> None:
    log = random_log(3, count=600)
    for i in range(200):
        log.append(finished(f"m{i}", T0 + i, agent=f"agent {i}", deployed=i % 2 == 0, reviews=i))
        log.append(cancelled(f"m{i}", T0 + i, agent=f"agent {i}"))
        log.append(started(f"n{i}", T0 + i, agent=f"agent {i}", estimate_s=i / 7))

    python, compiled = _both(log)

    assert compiled == python


def test_what_is_no_task_event_is_not_taken_for_one() -> None:
    """The loop reads fields where they lie, which must not be in another class's object."""
    with pytest.raises(TypeError, match="Record is no task event"):
        fold.__globals__["_compiled"].fold_events(
            FeaturesState(implementation.Agent), [Record(b"")], [Record(b"")], FeaturesConfig(), []
        )

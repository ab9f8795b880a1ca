"""The numbers of a decision: the compiled module returns those of the definition in Python, to the last bit."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.compiled import load
from gnomon.store.figures import of_decision
from gnomon.store.figures.of_decision import DecisionHead

numbers = load("gnomon.store.compiled.numbers")
pytestmark = pytest.mark.skipif(
    numbers is None, reason="gnomon was not compiled here: pip install says why"
)

SECONDS = st.none() | st.floats(allow_nan=False)
WORDS = st.text(max_size=5)


def head_of(**fields: object) -> DecisionHead:
    return DecisionHead(**{"decision_id": "d", "started_at_ms": 1, "outcome": outcome(), **fields})  # type: ignore[arg-type]


def outcome(
    status: str = "matched",
    duration_s: float | None = 2.5,
    succeeded: bool | None = True,  # noqa: FBT001, FBT002  a strategy gives it
) -> object:
    return of_decision._Outcome(status, 7_200_001, duration_s, succeeded)  # type: ignore[arg-type]


intervals = st.builds(
    of_decision._Intervals,
    st.dictionaries(
        st.sampled_from(["80", "90", "50"]),
        st.builds(of_decision._Interval, st.floats(), st.floats()),
    ),
)
prediction = st.builds(
    of_decision._Prediction,
    model=st.sampled_from(["control", "same-type", "type", "gnomon", ""]),
    version=WORDS,
    duration_s=SECONDS,
    success_probability=st.none() | st.floats(0, 1),
    intervals=st.none() | intervals,
)
heads = st.builds(
    DecisionHead,
    decision_id=WORDS,
    started_at_ms=st.integers(-(10**30), 10**30),
    outcome=st.builds(
        outcome, st.sampled_from(["matched", "expired"]), SECONDS, st.none() | st.booleans()
    ),
    agent_id=WORDS,
    task_type=WORDS,
    completeness=st.builds(of_decision._Completeness, SECONDS),
    predictions=st.lists(prediction, max_size=6),
    estimate_s=SECONDS,
)


@given(heads, WORDS)
@example(head_of(predictions=[of_decision._Prediction("m", "1", -1.0)]), "")
@example(head_of(predictions=[of_decision._Prediction("m", "1", float("nan"), 0.1)]), "s")
@example(head_of(predictions=[of_decision._Prediction("m", "1", 1e300, 0.1)]), "s")
def test_the_compiled_numbers_are_those_of_python(head: DecisionHead, scope: str) -> None:
    assert found(numbers.figures_of, head, scope) == found(of_decision.figures_of, head, scope)


def found(figures_of: object, head: DecisionHead, scope: str) -> object:
    """The figures in full, as ``repr`` tells not-a-number and the last bit; or the refusal."""
    try:
        figures = figures_of(head, str.upper, scope=scope)  # type: ignore[operator]
    except ValueError as error:
        return type(error)
    assert type(figures) is of_decision.Figures
    assert len(figures.task) == 17
    return repr(figures)

"""Which runs of a vault are learnt from, recomputed with pandas."""

from collections.abc import Iterator

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.models.runs import runs, with_outcome

from gnomon.events import Comparison
from gnomon.models.sample import SamplingRule, sample

ONE = runs(1)[0]

decisions = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=60
)
rules = st.builds(
    SamplingRule,
    recent=st.integers(0, 30),
    of_stratum=st.integers(0, 8),
    most=st.integers(1, 40),
    most_read=st.none() | st.integers(0, 70),
)


def a_decision(number: int, agent: str, kind: str, *, is_matched: bool) -> Comparison:
    named = msgspec.structs.replace(ONE, decision_id=str(number), agent_id=agent, task_type=kind)
    return named if is_matched else with_outcome(named, status="expired")


@given(decisions, rules)
def test_the_rule(given: list[tuple[str, str, bool]], rule: SamplingRule) -> None:
    newest_first = [
        a_decision(number, agent, kind, is_matched=matched)
        for number, (agent, kind, matched) in enumerate(given)
    ]

    found = sample(newest_first, rule)

    table = pd.DataFrame(given, columns=["agent", "kind", "matched"]).head(rule.most_read)
    usable = table[table["matched"].astype(bool)]
    before = usable.groupby(["agent", "kind"]).cumcount()
    is_recent = pd.Series(range(len(usable)), usable.index) < rule.recent
    chosen = usable[is_recent | (before < rule.of_stratum)].head(rule.most)
    assert [int(run.decision_id) for run in found.runs] == chosen.index.tolist()
    assert found.read <= len(table)


def test_nothing_older_is_read_than_is_needed() -> None:
    def endless() -> Iterator[Comparison]:
        number = 0
        while True:
            yield a_decision(number, "a", "x", is_matched=True)
            number += 1

    rule = SamplingRule(recent=5, of_stratum=10, most=8)
    found = sample(endless(), rule)

    assert [run.decision_id for run in found.runs] == [str(number) for number in range(8)]
    assert found.read == 8


@pytest.mark.parametrize(
    "wrong", [{"recent": -1}, {"of_stratum": -1}, {"most": 0}, {"most_read": -1}]
)
def test_a_rule_without_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="sampling rule"):
        SamplingRule(**wrong)

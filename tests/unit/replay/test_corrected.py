"""Intervals of a replay are corrected by what had ended when a task started."""

import math
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.models.runs import runs
from tests.unit.models.test_predictor import a_real_one

from gnomon.events import Interval, Intervals, Outcome
from gnomon.replay.corrected import with_corrections
from gnomon.replay.replayed import ReplayedDecision, ReplayedPrediction
from gnomon.replay.scoring import ScoredVersion, scored


def narrow(number: int, duration_s: float, *, unseen: bool = True) -> ReplayedDecision:
    """One task after the other; each is predicted to take 9 s, with intervals of no width."""
    point = Interval(low_s=9.0, high_s=9.0, own_low_s=9.0, own_high_s=9.0)
    return ReplayedDecision(
        decision_id=f"d{number}",
        agent_id="ada",
        task_id=f"t{number}",
        task_type="review",
        started_at_ms=number * 10_000_000,
        predictions=[
            ReplayedPrediction(
                model="gnomon",
                version="1",
                sha256="s",
                unseen=unseen,
                duration_s=9.0,
                success_probability=0.5,
                parts={},
                intervals=Intervals(bucket=0, by_level={"80": point, "90": point}),
            )
        ],
        outcome=Outcome(
            status="matched",
            at_ms=number * 10_000_000 + round(duration_s * 1000),
            duration_s=duration_s,
            succeeded=True,
        ),
    )


def intervals(decisions: Sequence[ReplayedDecision]) -> list[Interval]:
    found = []
    for decision in decisions:
        own = decision.predictions[-1].intervals
        assert own is not None
        found.append(own.by_level["80"])
    return found


def test_after_long_tasks_the_interval_reaches_as_far_as_they_did() -> None:
    found = intervals(with_corrections([narrow(n, 99.0) for n in range(30)]))

    assert (found[0].low_s, found[0].high_s) == (9.0, 9.0)
    assert found[-1].high_s == 99.0
    # ln(1 + 99) is as far above ln(1 + 9) as ln(1 + 0) is below.
    assert math.isclose(found[-1].low_s, 0.0, abs_tol=1e-6)
    assert math.isclose(found[-1].correction, math.log(10), abs_tol=1e-6)


def test_what_a_version_may_have_seen_teaches_nothing_and_is_not_corrected() -> None:
    seen = [narrow(n, 99.0, unseen=False) for n in range(30)]

    assert with_corrections(seen) == seen
    (*_, after) = with_corrections([*seen, narrow(30, 99.0)])
    assert intervals([after])[0].correction == 0.0


@given(durations=st.lists(st.floats(0, 1e5), min_size=2, max_size=12), cut=st.integers(1, 11))
def test_the_future_changes_no_interval_and_neither_does_the_order_of_lines(
    durations: list[float], cut: int
) -> None:
    decisions = [narrow(n, duration_s) for n, duration_s in enumerate(durations)]
    poisoned = [narrow(n, d if n < cut else 1e6) for n, d in enumerate(durations)]
    found = intervals(with_corrections(decisions))

    assert intervals(with_corrections(poisoned))[: cut + 1] == found[: cut + 1]
    assert intervals(with_corrections(decisions[::-1])) == found[::-1]


def test_the_first_task_has_the_versions_own_intervals_to_the_last_digit() -> None:
    history = runs(40, seed=9)
    own = list(scored(history, [ScoredVersion(a_real_one(), None)]))
    corrected = with_corrections(own)

    assert corrected[0] == own[0]
    assert msgspec.json.encode(with_corrections(own)) == msgspec.json.encode(corrected)
    assert [d.predictions[-1].duration_s for d in corrected] == [
        d.predictions[-1].duration_s for d in own
    ]

"""Evidence is the same in any order and split in any way, and is what numpy sums up."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.verdict.build import (
    HOUR,
    T0,
    control,
    decided,
    gathered,
    model,
    rule,
    simulated,
    window_of,
)

from gnomon.verdict import Decided, Evidence, VerdictSettings

RULES = VerdictSettings(mature_after_s=3600, window_decisions=4)
WATERMARK = T0 + 6 * HOUR
seconds = st.none() | st.floats(0, 5000) | st.sampled_from([0.0, 1e300])
shares = st.none() | st.floats(0, 1)


@st.composite
def rows(draw: st.DrawFn) -> list[Decided]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        said = [control(draw(seconds), draw(shares))]
        said += [rule("type", draw(seconds), draw(shares))] * draw(st.integers(0, 1))
        said += [
            model(draw(seconds), draw(shares), version=v, sha256=draw(st.sampled_from([None, v])))
            for v in draw(st.lists(st.sampled_from("123"), max_size=3))
        ]
        found.append(
            decided(
                number,
                *draw(st.permutations(said)),
                actual_s=draw(st.none() | st.floats(0, 5000)),
                succeeded=draw(st.none() | st.booleans()),
                hour=draw(st.floats(0, 5.5)),
                agent=draw(st.sampled_from(["ada", "bob", "eve"])),
                status=draw(st.sampled_from(["matched", "matched", "expired", "cancelled"])),
                ended_ms=draw(st.integers(0, 100_000_000)),
            )
        )
    return found


def evidence_of(found: list[Decided], window_rows: list[Decided]) -> Evidence:
    evidence = Evidence(settings=RULES, window=window_of(window_rows, RULES))
    for row in found:
        evidence.add(row, watermark_ms=WATERMARK)
    return evidence


@settings(max_examples=60, deadline=None)
@given(rows(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_and_any_split_give_the_same_bytes(
    found: list[Decided], chance: random.Random, parts: int
) -> None:
    whole = evidence_of(found, found)
    shuffled = chance.sample(found, len(found))
    split: list[list[Decided]] = [[] for _ in range(parts)]
    for row in shuffled:
        chance.choice(split).append(row)
    merged = evidence_of([], shuffled)
    for part in split:
        merged.merge(evidence_of(part, shuffled))
    assert merged.encode() == whole.encode()
    merged.close_hours()
    whole.close_hours()
    assert merged.encode() == whole.encode()
    assert Evidence.decode(whole.encode(), RULES).encode() == whole.encode()


@settings(max_examples=40, deadline=None)
@given(rows(), st.randoms(use_true_random=False))
def test_partitions_may_close_blocks_by_themselves(
    found: list[Decided], chance: random.Random
) -> None:
    whole = evidence_of(found, found)
    merged = evidence_of([], found)
    merged.close_blocks(1 << 40)
    for agents in (["ada"], ["bob", "eve"]):
        part = evidence_of([], found)
        of_it = [row for row in found if row.agent_id in agents]
        for row in sorted(of_it, key=lambda row: row.hour):
            part.close_blocks(row.hour)  # closes as it goes, as a stage does
            part.add(row, watermark_ms=WATERMARK)
        part.close_blocks(1 << 40)
        merged.merge(part)
    merged.close_hours()
    whole.close_hours()
    whole.closed_before_hour = merged.closed_before_hour
    assert merged.encode() == whole.encode()


def test_the_sums_are_those_of_numpy() -> None:
    found = simulated(ratio=0.7, hours=8, agents=3, seed=5)
    sums = gathered(found).challengers["ab" * 32].against["control"].sums["log_loss"]

    y = np.array([row.duration_s for row in found], float)
    said = np.array([[s.duration_s for s in row.predictions] for row in found], float)
    loss = np.minimum(abs(np.log1p(said) - np.log1p(y)[:, None]), np.log(10))
    keys = [(row.agent_id, row.hour) for row in found]
    blocks = np.array([loss[[k == key for k in keys]].sum(0) for key in sorted(set(keys))])
    hours = np.array([loss[[k[1] == h for k in keys]].sum(0) for h in sorted({k[1] for k in keys})])

    for row, units in ((sums.blocks, blocks), (sums.hours.row, hours)):
        b, c = units.T
        expected = [len(units), b.sum(), c.sum(), b @ b, b @ c, c @ c]
        scale = [1, 1e9, 1e9, 1e18, 1e18, 1e18]
        np.testing.assert_allclose(np.array(row, float) / scale, expected, rtol=1e-7)
    b, c = hours.T
    lag = [b[:-1] @ b[1:], b[:-1] @ c[1:] + c[:-1] @ b[1:], c[:-1] @ c[1:]]
    np.testing.assert_allclose(np.array(sums.hours.lag, float) / 1e18, lag, rtol=1e-7)


def test_a_baseline_that_says_nothing_is_no_evidence() -> None:
    evidence = gathered(
        [decided(1, control(None, None), model(3.0)), decided(2, control(4.0), model(3.0))]
    )
    found = evidence.challengers["ab" * 32]
    assert found.counts.decisions == 2
    assert found.against["control"].sums["log_loss"].blocks[1] == pytest.approx(
        np.log(11 / 5) * 1e9
    )


def test_only_what_was_predicted_under_these_settings_counts() -> None:
    late = VerdictSettings(mature_after_s=0, registered_at_ms=T0 + 2 * HOUR)
    found = simulated(ratio=0.7, hours=4, agents=2)
    counts = gathered(found, late).challengers["ab" * 32].counts
    assert counts.decisions == sum(row.started_at_ms >= T0 + 2 * HOUR for row in found) < len(found)


def test_evidence_of_other_settings_is_another_experiment() -> None:
    changed = VerdictSettings(delta=0.1, mature_after_s=0)
    found = simulated(ratio=0.7, hours=2, agents=2)
    one, other = gathered(found, close=False), gathered(found, changed, close=False)
    with pytest.raises(ValueError, match=changed.sha256()):
        one.merge(other)
    with pytest.raises(ValueError, match="new experiment"):
        Evidence.decode(one.encode(), changed)


def test_a_closed_hour_takes_nothing_more() -> None:
    evidence = gathered([], close=False)
    evidence.close_blocks(T0 // HOUR + 1)
    with pytest.raises(ValueError, match="closed"):
        evidence.add(decided(1, control(1.0), model(1.0)), watermark_ms=T0)


def test_a_model_is_known_by_its_artefact() -> None:
    evidence = gathered(
        [
            decided(1, control(1.0), model(1.0, version="1")),
            decided(2, control(1.0), model(1.0, version="2")),
            decided(3, control(1.0), model(1.0, version="1"), model(1.0, version="2")),
            decided(4, control(1.0), model(1.0, version="1", sha256="cd" * 32)),
            decided(5, control(1.0), model(1.0, version="1", sha256=None)),
        ]
    )
    counted = {key: c.counts.decisions for key, c in evidence.challengers.items()}
    assert counted == {"ab" * 32: 3, "cd" * 32: 1, "m@1": 1}


def test_of_two_predictions_of_one_model_the_same_one_counts_in_any_order() -> None:
    said = [control(1.0), control(2.0), model(3.0), model(40.0)]
    one, other = (gathered([decided(1, *order)]).encode() for order in (said, list(reversed(said))))
    assert one == other


def test_a_young_task_waits_until_longer_ones_are_known() -> None:
    young = VerdictSettings(mature_after_s=600)
    found = [decided(n, control(1.0), model(1.0), hour=n / 10, ended_ms=0) for n in range(11)]
    counts = gathered(found, young).challengers["ab" * 32].counts
    assert (counts.decisions, counts.immature) == (9, 2)  # those of the last 600 s wait


def test_an_expired_task_is_scored_at_its_age_and_bounded_by_later_ends() -> None:
    found = [decided(1, control(9.0), model(99.0), status="expired", ended_ms=49_000)]
    versus = gathered(found).challengers["ab" * 32].against["control"]
    b, c = (value / 1e9 for value in versus.sums["log_loss"].blocks[1:3])
    assert b == pytest.approx(np.log(50 / 10))
    assert c == pytest.approx(np.log(100 / 50))
    worst = [value / 1e9 for value in versus.worst["log_loss"]]
    best = [value / 1e9 for value in versus.best["log_loss"]]
    # Worst: it ends after both by more than the cap. Best: just as the model said.
    assert [b + worst[0], c + worst[1]] == pytest.approx([np.log(10), np.log(10)])
    assert [b + best[0], c + best[1]] == pytest.approx([np.log(10), 0])

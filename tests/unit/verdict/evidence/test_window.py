"""The training window is the first decisions in the order of their prediction."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verdict.build import control, decided, model, rule, window_of

from gnomon.verdict import VerdictSettings


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1000)), max_size=40), st.randoms())
def test_quantiles_of_the_first_decisions_as_numpy_has_them(
    drawn: list[tuple[float, float]], chance: random.Random
) -> None:
    rows = [
        decided(n, control(0.0), model(1.0), actual_s=y, hour=h) for n, (h, y) in enumerate(drawn)
    ]
    chance.shuffle(rows)
    settings = VerdictSettings(window_decisions=10, clip_quantile=0.9, mature_quantile=0.5)
    window = window_of(rows, settings)
    first = sorted(rows, key=lambda row: (row.started_at_ms, row.decision_id))[:10]
    if not first:
        assert window.clip_us["control"] == 10**12
        assert window.mature_after_ms == 0
        return
    y = np.array([row.duration_s for row in first], float)
    clip_s = np.quantile(y, 0.9, method="inverted_cdf")
    assert abs(window.clip_us["control"] - max(1000, clip_s * 1e6)) <= 1
    mature_s = np.quantile(y, 0.5, method="inverted_cdf")
    assert 0 <= window.mature_after_ms - mature_s * 1000 < 1.001


def test_each_baseline_has_its_own_first_decisions() -> None:
    rows = [decided(n, control(0.0), rule("type", None), actual_s=1.0, hour=n) for n in range(5)]
    rows += [decided(9, control(0.0), rule("type", 0.0), actual_s=8.0, hour=9)]
    window = window_of(rows, VerdictSettings(window_decisions=5))
    assert window.clip_us == {"control": 1_000_000, "type": 8_000_000, "same-type": 10**12}


def test_settings_fix_what_they_name() -> None:
    rows = [decided(1, control(0.0), rule("type", 0.0), actual_s=8.0)]
    settings = VerdictSettings(clip_s={"control": 5.0}, mature_after_s=2.5)
    window = window_of(rows, settings)
    assert window.clip_us["control"] == 5_000_000
    assert window.clip_us["type"] == 8_000_000
    assert window.mature_after_ms == 2_500


def test_what_ended_otherwise_or_before_the_registration_tells_nothing() -> None:
    rows = [
        decided(1, control(0.0), actual_s=9.0, hour=0),
        decided(2, control(0.0), status="expired", hour=2),
        decided(3, control(0.0), actual_s=2.0, hour=3),
    ]
    window = window_of(rows, VerdictSettings(registered_at_ms=rows[1].started_at_ms))
    assert window.clip_us["control"] == 2_000_000

"""E-values against numerical integration, and e-BH against its definition."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gnomon.verdict import VerdictSettings
from gnomon.verdict.evidence.sums import add_unit
from gnomon.verdict.harm import e_bh, e_value, harmed
from gnomon.verdict.sequence import Plan

PLAN = Plan.of(VerdictSettings(t_star=100))


def row_of(losses: list[tuple[int, int]]) -> list[int]:
    row = [0] * 6
    for b, c in losses:
        add_unit(b, c, row)
    return row


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.1, 0.4])
@pytest.mark.parametrize("t", [30, 200])
def test_an_e_value_is_the_half_normal_mixture(shift: float, t: int) -> None:
    rng = np.random.default_rng(1)
    losses = np.round(rng.normal([5e9, (5 + shift) * 1e9], 1e9, (t, 2))).astype(int)
    z = (losses[:, 1] - losses[:, 0]) / 1e9
    s, sd = z.sum(), z.std(ddof=1)
    prior = scipy.stats.halfnorm(scale=PLAN.rho)
    expected, _ = scipy.integrate.quad(
        lambda x: prior.pdf(x) * math.exp(x * s / sd - x * x * t / 2), 0, 3, limit=200
    )
    row = row_of([(int(b), int(c)) for b, c in losses])
    assert e_value(row, PLAN) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shift_s", [-0.001, -0.1, -0.3, -1.0, -3.0, -10.0])
def test_however_much_better_a_model_is_that_is_no_harm(shift_s: float) -> None:
    rng = np.random.default_rng(1)
    losses = np.round(rng.normal([20e9, (20 + shift_s) * 1e9], 0.2e9, (2_000, 2))).astype(int)
    z = (losses[:, 1] - losses[:, 0]) / 1e9
    s, precision = z.sum() / z.std(ddof=1), PLAN.rho**-2
    w = len(z) + precision
    log = scipy.stats.norm.logcdf(s / math.sqrt(w)) + s * s / (2 * w)
    expected = 2 * math.sqrt(precision / w) * math.exp(log)
    found = e_value(row_of([(int(b), int(c)) for b, c in losses]), PLAN)
    assert found == pytest.approx(expected, rel=1e-4)
    assert found < 1


def test_what_does_not_vary() -> None:
    assert e_value(row_of([(1, 1)] * 50), PLAN) == 1.0
    assert e_value(row_of([(2, 1)] * 50), PLAN) == 1.0
    assert e_value(row_of([(1, 9)]), PLAN) == 1.0
    assert 1e200 < e_value(row_of([(1, 2)] * 50), PLAN) < math.inf


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1000), max_size=12))
def test_e_bh_rejects_the_most_that_its_definition_lets_it(found: dict[str, float]) -> None:
    values, alpha = np.array(sorted(found.values(), reverse=True)), 0.05
    sizes = [k for k in range(1, len(values) + 1) if k * values[k - 1] / len(values) >= 1 / alpha]
    assert len(e_bh(found, alpha)) == max(sizes, default=0)
    assert [found[name] for name in e_bh(found, alpha)] == list(values[: max(sizes, default=0)])


def test_agents_with_few_blocks_are_not_judged() -> None:
    rng = np.random.default_rng(1)
    bad = [(int(b), int(b + c)) for b, c in rng.integers(1, 100, (30, 2))]
    agents = {"long": row_of(bad), "short": row_of(bad[:29])}
    assert [each.agent_id for each in harmed(agents, PLAN, min_blocks=30)] == ["long"]

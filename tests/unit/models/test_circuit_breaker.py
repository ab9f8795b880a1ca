"""When a version whose calls go wrong is skipped, and when it is tried again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.models.circuit_breaker import CallLimits, CircuitBreaker

LIMITS = CallLimits(
    budget_ms=100.0, budget_task_ms=2.0, grace_s=1.5, failures_in_a_row=3, pause_s=10.0
)


def opened(at_s: float = 0.0) -> CircuitBreaker:
    """A breaker that opened at ``at_s``."""
    breaker = CircuitBreaker(LIMITS)
    for _ in range(3):
        breaker.failed("ValueError", at_s)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("xx", "closed"),
        ("xxx", "open"),
        ("xxoxx", "closed"),
        ("sss", "open"),
        ("sxs", "open"),
        ("xsoxs", "closed"),
        ("a", "open"),
        ("oa", "open"),
    ],
)
def test_it_opens_after_three_wrong_calls_in_a_row_or_one_without_an_answer(
    outcomes: str, state: str
) -> None:
    """``x``: an error, ``s``: too slow, ``a``: abandoned, ``o``: well."""
    breaker = CircuitBreaker(LIMITS)
    for outcome in outcomes:
        assert breaker.admits(0.0)
        if outcome == "x":
            breaker.failed("ValueError", 0.0)
        elif outcome == "a":
            breaker.abandoned(1.6, 0.0)
        else:
            took_s = 0.2 if outcome == "s" else 0.1
            in_time = breaker.answered(took_s=took_s, tasks=1, now_s=0.0)
            assert in_time == (outcome == "o")

    assert breaker.state == state
    assert (breaker.reason is None) == (state == "closed")


def test_the_reason_names_the_number_and_the_last_failure() -> None:
    failing, slow, hanging = opened(), CircuitBreaker(LIMITS), CircuitBreaker(LIMITS)
    for _ in range(3):
        slow.answered(took_s=0.5, tasks=50, now_s=0.0)
    hanging.abandoned(1.6, 0.0)

    assert failing.reason == "3 calls in a row went wrong, the last with ValueError"
    assert slow.reason == "3 calls in a row went wrong, the last with 500 ms, allowed are 200 ms"
    assert hanging.reason == "no answer within 1.6 s"


def test_the_budget_grows_with_the_batch_and_0_is_none() -> None:
    assert LIMITS.budget_s(1) == pytest.approx(0.102)
    assert LIMITS.budget_s(1000) == pytest.approx(2.1)
    assert LIMITS.wait_s(1000) == pytest.approx(3.6)
    free = CallLimits(budget_ms=0.0)
    assert free.budget_s(1) == free.wait_s(1) == math.inf
    assert CircuitBreaker(free).answered(took_s=1e6, tasks=1, now_s=0.0)


def test_after_the_pause_one_call_is_the_trial_and_its_success_closes() -> None:
    breaker = opened()

    assert not breaker.admits(9.9)
    assert breaker.trial_in_s(9.5) == pytest.approx(0.5)
    assert breaker.admits(10.0)
    assert (breaker.state, breaker.trial_in_s(10.0)) == ("half-open", None)
    assert not breaker.admits(10.0)
    assert breaker.answered(took_s=0.1, tasks=1, now_s=10.1)
    assert breaker.state == "closed"
    assert breaker.admits(10.1)
    breaker.failed("ValueError", 10.2)
    breaker.failed("ValueError", 10.2)
    assert breaker.state == "closed"  # the row began anew


def test_a_trial_whose_batch_was_cancelled_is_repeated_at_once() -> None:
    breaker = opened()
    assert breaker.admits(10.0)

    breaker.cancelled(10.5)

    assert breaker.admits(10.5)


def test_calls_that_end_while_it_is_open_change_nothing() -> None:
    breaker = opened()

    breaker.answered(took_s=0.1, tasks=1, now_s=5.0)
    breaker.failed("KeyError", 6.0)
    breaker.abandoned(1.0, 7.0)
    breaker.cancelled(8.0)

    assert breaker.reason == "3 calls in a row went wrong, the last with ValueError"
    assert not breaker.admits(9.9)
    assert breaker.admits(10.0)


@given(
    outage_s=st.integers(1, 2500),
    outcome=st.sampled_from(["failed", "slow", "abandoned"]),
)
def test_a_version_that_is_broken_costs_a_number_of_calls_that_grows_as_the_logarithm(
    outage_s: int, outcome: str
) -> None:
    """Pauses of 10, 20, 40 … s are over after 10 (2^k - 1) s, so k = log2(t / 10 + 1) trials."""
    breaker, calls = CircuitBreaker(LIMITS), 0
    for second in range(outage_s):
        for _ in range(5):  # batches of that second
            if breaker.admits(second):
                calls += 1
                if outcome == "failed":
                    breaker.failed("ValueError", second)
                elif outcome == "slow":
                    breaker.answered(took_s=9.0, tasks=1, now_s=second)
                else:
                    breaker.abandoned(1.6, second)

    first = 1 if outcome == "abandoned" else 3
    assert calls == first + math.floor(math.log2((outage_s - 1) / 10 + 1))


def test_no_pause_is_longer_than_an_hour_and_a_success_makes_it_short_again() -> None:
    breaker, at_s, pauses = opened(), 0.0, []
    for _ in range(12):
        pause_s = breaker.trial_in_s(at_s)
        assert pause_s is not None
        pauses.append(pause_s)
        at_s += pause_s
        assert breaker.admits(at_s)
        breaker.failed("ValueError", at_s)

    assert pauses[:4] == [10.0, 20.0, 40.0, 80.0]
    assert max(pauses) == pauses[-1] == 3600.0
    assert breaker.admits(at_s + 3600.0)
    breaker.answered(took_s=0.1, tasks=1, now_s=at_s)
    for _ in range(3):
        breaker.failed("ValueError", at_s)
    assert breaker.trial_in_s(at_s) == 10.0

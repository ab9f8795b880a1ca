"""Who may look at the dashboard."""

import pytest

from gnomon.dashboard.access import FREE_GUESSES, Gate, is_loopback, require_guard, user_of
from gnomon.errors import ConfigurationError


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_thousand_wrong_guesses_are_hardly_compared() -> None:
    clock = Clock()
    gate = Gate("right", clock=clock)
    found = []
    for number in range(1_000):
        found.append(gate.guess(f"wrong-{number}"))
        clock.now_s += 0.01  # ten seconds in all
    assert "right" not in found
    assert gate.compared < FREE_GUESSES + 10
    assert found.count("too soon") == 1_000 - gate.compared
    assert gate.guess("right") == "too soon"
    assert 0 < gate.wait_s() <= 30
    clock.now_s += gate.wait_s()
    assert gate.guess("right") == "right"
    assert gate.wait_s() == 0


def test_a_thousand_guesses_that_wait_take_hours() -> None:
    clock = Clock()
    gate = Gate("right", clock=clock)
    for _ in range(1_000):
        clock.now_s += gate.wait_s()
        assert gate.guess("wrong") == "wrong"
    assert clock.now_s > 8 * 3_600


@pytest.mark.parametrize("text", ["", "righ", "right ", "Right", "\ud800", "r" * 100_000])
def test_only_the_token_is_the_token(text: str) -> None:
    gate = Gate("right", clock=Clock())
    assert gate.guess(text) == "wrong"
    assert gate.guess("right") == "right"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    require_guard(host, token="", user_header="")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", ""])  # noqa: S104
def test_others_need_a_token_or_a_proxy(host: str) -> None:
    with pytest.raises(ConfigurationError, match="GNOMON_DASHBOARD_TOKEN"):
        require_guard(host, token="", user_header="")
    require_guard(host, token="t", user_header="")  # noqa: S106
    require_guard(host, token="", user_header="X-Forwarded-User")


def test_the_user_of_a_proxy() -> None:
    headers = {"Host": "x", "x-forwarded-user": " ada "}
    assert user_of(headers, "X-Forwarded-User") == "ada"
    assert user_of(headers, "X-Other") is None
    assert user_of({"x-forwarded-user": " "}, "X-Forwarded-User") is None
    assert user_of(headers, "") is None

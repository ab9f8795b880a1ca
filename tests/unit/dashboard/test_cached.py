"""What is read is kept for a short time, and read once for all."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.polling import eventually_sync
from tests.unit.dashboard.test_access import Clock

from gnomon.dashboard.cached import TROUBLE_S, Answer, Cached
from gnomon.errors import ConfigurationError, StoreUnavailableError


def test_what_is_fresh_is_not_read_again() -> None:
    clock, calls = Clock(), []
    cached = Cached(clock=clock)

    def read() -> int:
        calls.append(1)
        return len(calls)

    assert cached.get("a", read, ttl_s=5).value == 1
    clock.now_s = 4.9
    assert cached.get("a", read, ttl_s=5).value == 1
    clock.now_s = 5.1
    assert cached.get("a", read, ttl_s=5) == Answer(2, 5.1)
    cached.forget()
    assert cached.get("a", read, ttl_s=5).value == 3
    cached.close()


def test_ten_readers_at_once_cost_one_read() -> None:
    cached, calls, go = Cached(clock=Clock()), [], threading.Event()

    def read() -> int:
        calls.append(1)
        go.wait(10)
        return 7

    with ThreadPoolExecutor(10) as browsers:
        asked = [browsers.submit(cached.get, "a", read, ttl_s=5) for _ in range(10)]
        go.set()
        assert {each.result().value for each in asked} == {7}
    assert len(calls) == 1
    cached.close()


def test_what_takes_long_shows_what_was_before_and_from_a_minute_on_its_age() -> None:
    clock, go = Clock(), threading.Event()
    cached = Cached(clock=clock)
    assert cached.get("a", lambda: 1, ttl_s=5).value == 1

    def slow() -> int:
        go.wait(10)
        return 2

    clock.now_s = 30.0
    assert cached.get("a", slow, ttl_s=5) == Answer(1, 0.0)
    clock.now_s = 61.0
    late = cached.get("a", lambda: 99, ttl_s=5)  # the slow one still runs: nothing else is begun
    assert (late.value, late.read_at_s) == (1, 0.0)
    assert late.trouble is not None
    assert (late.trouble.kind, late.trouble.text) == ("slow", "They are being read anew.")
    go.set()
    eventually_sync(lambda: cached.get("a", lambda: 99, ttl_s=5).value == 2, what="it was read")
    cached.close()


def test_what_was_never_read_is_waited_for_up_to_a_limit() -> None:
    go = threading.Event()
    cached = Cached(clock=Clock(), limit_s=0.01)

    def slow() -> int:
        go.wait(10)
        return 2

    late = cached.get("a", slow, ttl_s=5)
    assert late.value is None
    assert late.trouble is not None
    assert late.trouble.text == "It takes longer than 0.01 s to read this."
    go.set()
    cached.close()


def test_what_took_long_is_kept_for_longer() -> None:
    clock, calls = Clock(), []
    cached = Cached(clock=clock)

    def slow() -> int:
        calls.append(1)
        clock.now_s += 4.0
        return len(calls)

    cached.get("a", slow, ttl_s=5)
    clock.now_s = 43.9
    assert cached.get("a", slow, ttl_s=5).value == 1
    clock.now_s = 44.1
    assert cached.get("a", slow, ttl_s=5).value == 2
    cached.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigurationError("no store"), "missing"),
        (StoreUnavailableError("down"), "down"),
        (ZeroDivisionError("bug"), "down"),
    ],
)
def test_trouble_is_told_with_what_was_known_before(error: Exception, kind: str) -> None:
    clock, calls = Clock(), []
    cached = Cached(clock=clock)
    cached.get("a", lambda: 1, ttl_s=5)

    def fail() -> int:
        calls.append(1)
        raise error

    clock.now_s = 6.0
    for _ in range(10):
        answer = cached.get("a", fail, ttl_s=5)
    assert len(calls) == 1  # ten browsers do not ask ten times what is down
    assert (answer.value, answer.read_at_s) == (1, 0.0)
    assert answer.trouble is not None
    assert answer.trouble.kind == kind
    clock.now_s += TROUBLE_S + 0.1
    assert cached.get("a", lambda: 2, ttl_s=5) == Answer(2, clock.now_s)
    cached.close()

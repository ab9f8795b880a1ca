"""The one thread of a process: who comes while it ends, who raises, who is not due."""

import threading
import time
from collections.abc import Callable

import pytest
from tests.support.polling import eventually_sync

from gnomon.client.process.background import BackgroundThread, wait_until


class Counting:
    """Does ``work`` so many times, at once or every ``wait_s``."""

    def __init__(
        self, turns: int, *, wait_s: float = 0.0, work: Callable[[], object] = bool
    ) -> None:
        self.is_requested, self.due_s = False, float("-inf")
        self.turns = self.given_up = 0
        self.threads: set[int] = set()
        self._most, self._wait_s, self._work = turns, wait_s, work

    def turn(self) -> float | None:
        self.turns += 1
        self.threads.add(threading.get_ident())
        self._work()
        return None if self.turns >= self._most else self._wait_s

    def abandon(self) -> None:
        self.given_up += 1


def test_whoever_comes_while_the_thread_ends_has_a_thread() -> None:
    """Each is through after one turn, so the thread ends again and again."""
    hub = BackgroundThread()
    members = [[Counting(1) for _ in range(2_000)] for _ in range(3)]

    def come(those: list[Counting]) -> None:
        for number, one in enumerate(those):
            hub.add(one)
            if number % 7 == 0:
                time.sleep(0.0001)

    coming = [threading.Thread(target=come, args=(those,)) for those in members]
    for thread in coming:
        thread.start()
    for thread in coming:
        thread.join()

    eventually_sync(lambda: all(m.turns for those in members for m in those), what="all had a turn")
    assert {m.turns for those in members for m in those} == {1}


def test_all_that_are_there_at_a_time_have_one_thread() -> None:
    hub = BackgroundThread()
    members = [Counting(50, wait_s=0.002) for _ in range(5)]
    for one in members:
        hub.add(one)

    eventually_sync(lambda: all(one.turns == 50 for one in members), what="all are through")
    assert len(set[int]().union(*(one.threads for one in members))) == 1


def test_where_no_thread_can_be_started_nobody_waits_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_run: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    hub, member, later = BackgroundThread(), Counting(1), Counting(1)
    with monkeypatch.context() as patched:
        patched.setattr("gnomon.client.process.background.start_thread", no_thread)
        hub.add(member)
    assert (member.turns, member.given_up) == (0, 1)
    hub.add(later)

    eventually_sync(lambda: later.turns == 1, what="another has one once it can be")


def test_one_that_raises_whatever_it_is_does_not_end_the_others() -> None:
    def leave() -> None:
        raise SystemExit

    hub, bad, good = BackgroundThread(), Counting(9, work=leave), Counting(20, wait_s=0.001)
    hub.add(good)
    hub.add(bad)

    eventually_sync(lambda: good.turns == 20, what="the other one goes on")
    assert (bad.turns, bad.given_up, good.given_up) == (1, 1, 0)


def test_one_has_a_turn_when_it_is_due_or_wanted_and_not_before() -> None:
    hub, busy, patient = BackgroundThread(), Counting(200, wait_s=0.001), Counting(2, wait_s=60.0)
    hub.add(patient)
    hub.add(busy)
    eventually_sync(lambda: busy.turns == 200, what="the busy one is through")
    assert patient.turns == 1
    hub.request_turn(patient)

    eventually_sync(lambda: patient.turns == 2, timeout_s=5.0, what="it has its turn")


def test_no_thread_waits_for_itself() -> None:
    """As where a finalizer that runs there closes a client."""
    took_s: list[float] = []

    def wait() -> None:
        began_s = time.monotonic()
        wait_until(lambda: False, timeout_s=5.0)
        took_s.append(time.monotonic() - began_s)

    from gnomon.client.process.background import of_process  # noqa: PLC0415  the one that ``wait_until`` knows

    of_process().add(Counting(1, work=wait))

    eventually_sync(lambda: took_s, timeout_s=10.0, what="it has waited")
    assert took_s[0] < 0.5

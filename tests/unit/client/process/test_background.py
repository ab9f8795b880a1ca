"""The background thread: jobs added while it ends, jobs that raise, jobs that are not due."""

import threading
import time
from collections.abc import Callable

import pytest
from tests.support.polling import eventually_sync

from gnomon.client.process.background import BackgroundThread, wait_until


class Counting:
    """A job that does ``work`` a number of times, at once or every ``wait_s``."""

    def __init__(
        self, turns: int, *, wait_s: float = 0.0, work: Callable[[], object] = bool
    ) -> None:
        self.is_requested, self.due_s = False, float("-inf")
        self.turns = self.abandoned = 0
        self.threads: set[int] = set()
        self._most, self._wait_s, self._work = turns, wait_s, work

    def turn(self) -> float | None:
        self.turns += 1
        self.threads.add(threading.get_ident())
        self._work()
        return None if self.turns >= self._most else self._wait_s

    def abandon(self) -> None:
        self.abandoned += 1


def test_a_job_added_while_the_thread_ends_has_a_thread() -> None:
    """Each job ends after one turn, so the thread ends again and again."""
    background = BackgroundThread()
    jobs = [[Counting(1) for _ in range(2_000)] for _ in range(3)]

    def add(added: list[Counting]) -> None:
        for number, job in enumerate(added):
            background.add(job)
            if number % 7 == 0:
                time.sleep(0.0001)

    adding = [threading.Thread(target=add, args=(group,)) for group in jobs]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()

    eventually_sync(
        lambda: all(job.turns for group in jobs for job in group), what="all had a turn"
    )
    assert {job.turns for group in jobs for job in group} == {1}


def test_all_jobs_share_one_thread() -> None:
    background = BackgroundThread()
    jobs = [Counting(50, wait_s=0.002) for _ in range(5)]
    for job in jobs:
        background.add(job)

    eventually_sync(lambda: all(job.turns == 50 for job in jobs), what="all are through")
    assert len(set[int]().union(*(job.threads for job in jobs))) == 1


def test_a_job_is_abandoned_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_run: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    background, job, later = BackgroundThread(), Counting(1), Counting(1)
    with monkeypatch.context() as patched:
        patched.setattr("gnomon.client.process.background.start_thread", no_thread)
        background.add(job)
    assert (job.turns, job.abandoned) == (0, 1)
    background.add(later)

    eventually_sync(lambda: later.turns == 1, what="another has one once it can be")


def test_a_job_that_raises_does_not_end_the_others() -> None:
    def leave() -> None:
        raise SystemExit

    background, bad, good = BackgroundThread(), Counting(9, work=leave), Counting(20, wait_s=0.001)
    background.add(good)
    background.add(bad)

    eventually_sync(lambda: good.turns == 20, what="the other one goes on")
    assert (bad.turns, bad.abandoned, good.abandoned) == (1, 1, 0)


def test_a_job_has_a_turn_when_it_is_due_or_requested_and_not_before() -> None:
    background, busy, patient = (
        BackgroundThread(),
        Counting(200, wait_s=0.001),
        Counting(2, wait_s=60.0),
    )
    background.add(patient)
    background.add(busy)
    eventually_sync(lambda: busy.turns == 200, what="the busy one is through")
    assert patient.turns == 1
    background.request_turn(patient)

    eventually_sync(lambda: patient.turns == 2, timeout_s=5.0, what="it has its turn")


def test_the_background_thread_does_not_wait_for_itself() -> None:
    """The garbage collector may run a finalizer there that closes a client."""
    took_s: list[float] = []

    def wait() -> None:
        began_s = time.monotonic()
        wait_until(lambda: False, timeout_s=5.0)
        took_s.append(time.monotonic() - began_s)

    from gnomon.client.process.background import of_process  # noqa: PLC0415  the one that ``wait_until`` knows

    of_process().add(Counting(1, work=wait))

    eventually_sync(lambda: took_s, timeout_s=10.0, what="it has waited")
    assert took_s[0] < 0.5

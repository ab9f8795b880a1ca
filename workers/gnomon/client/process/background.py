"""The one background thread of a process: it gives every client a turn.

The thread is started by the first event of any client and ends with the last client. Nothing here
takes a lock. A one-element list is the start permit: popping it grants the right to start the
thread.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from gnomon.client.process.native import WakeEvent, start_thread, thread_id

POLL_S: Final = 0.005
"""How often ``wait_until`` looks."""


class Job(Protocol):
    """The part of one client that runs in the background thread.

    Attributes:
        is_requested: Set from any thread to ask for a turn at once; cleared before the turn.
        due_s: When the next turn is due otherwise, on the monotonic clock. The thread sets it.
    """

    is_requested: bool
    due_s: float

    def turn(self) -> float | None:
        """Do the work that is due, within a bounded time.

        Returns:
            In how many seconds the next turn is due; ``None`` if there will be none.
        """
        ...

    def abandon(self) -> None:
        """There will be no further turn: no thread can be started, or a turn raised."""
        ...


class BackgroundThread:
    """Runs the jobs of a process in one thread. A forked child has another instance."""

    def __init__(self) -> None:
        self._wake = WakeEvent()
        self._start_permit = [True]
        self._added: deque[Job] = deque()
        self._thread_id: int | None = None

    def add(self, job: Job) -> None:
        """Give ``job`` turns from now on. Neither blocks nor raises."""
        self._added.append(job)
        try:
            self._start_permit.pop()
        except IndexError:  # the thread runs already
            self._wake.set()
            return
        try:
            start_thread(self._run)
        except RuntimeError:  # the interpreter is ending, or the system has no more threads
            self._start_permit.append(True)
            for unserved in self._take_added():
                unserved.abandon()

    def request_turn(self, job: Job) -> None:
        """Give ``job`` a turn at once. Neither blocks nor raises."""
        job.is_requested = True
        self._wake.set()

    def is_current(self) -> bool:
        """Return whether the caller runs in this thread."""
        return self._thread_id is not None and self._thread_id == thread_id()

    def _run(self) -> None:
        """The thread's main loop."""
        self._thread_id = thread_id()
        jobs: list[Job] = []
        while True:
            jobs += self._take_added()
            jobs = [job for job in jobs if _run_if_due(job)]
            if jobs:
                self._wait_for_next(jobs)
            elif self._may_end():
                return

    def _take_added(self) -> Iterator[Job]:
        """Yield each added job once, even if several threads ask at the same time."""
        while True:
            try:
                job = self._added.popleft()
            except IndexError:
                return
            yield job

    def _may_end(self) -> bool:
        """Return the start permit; return whether the thread may end.

        A job that was added just before finds no permit, so the thread looks once more after it
        has returned the permit, and goes on if it gets the permit back.
        """
        self._thread_id = None
        self._start_permit.append(True)
        if not self._added:
            return True
        try:
            self._start_permit.pop()
        except IndexError:  # the caller of ``add`` has started another thread
            return True
        self._thread_id = thread_id()
        return False

    def _wait_for_next(self, jobs: Sequence[Job]) -> None:
        """Wait until a turn is due or requested."""
        if self._added or any(job.is_requested for job in jobs):
            return
        self._wake.wait(max(0.0, min(job.due_s for job in jobs) - time.monotonic()))


def _run_if_due(job: Job) -> bool:
    """Give ``job`` its turn if it is due; return whether it has further turns."""
    if not job.is_requested and time.monotonic() < job.due_s:
        return True
    job.is_requested = False
    try:
        wait_s = job.turn()
    except BaseException:  # the thread's edge: the other clients' events must go on being moved
        job.abandon()
        return False
    if wait_s is None:
        return False
    job.due_s = time.monotonic() + wait_s
    return True


_threads: Final = [BackgroundThread()]
"""The last is this process's. A forked child keeps the inherited ones and never uses them."""


def of_process() -> BackgroundThread:
    """Return this process's background thread."""
    return _threads[-1]


def wait_until(done: Callable[[], bool], *, timeout_s: float) -> bool:
    """Poll ``done`` every few milliseconds, for at most ``timeout_s``; return its last answer.

    In the background thread it asks only once: the thread would wait for itself. That happens when
    the garbage collector runs a finalizer there that closes a client.
    """
    if of_process().is_current():
        return done()
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def _after_fork_in_child() -> None:
    _threads.append(BackgroundThread())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

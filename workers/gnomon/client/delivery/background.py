"""The one background thread of a process: it looks after every client in turn.

Started by the first event of any client, ended with the last. Nothing here locks: what decides
whether a thread has to be started is who gets the one token.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from gnomon.client.delivery.connections import Handles
from gnomon.client.delivery.native import Bell, start_thread, thread_id


class Member(Protocol):
    """What moves one client's events, as the thread sees it.

    Attributes:
        wanted: Set by whoever wants a turn at once; the thread clears it before the turn.
        due_s: When the next turn is due otherwise, on the monotonic clock; the thread's own.
    """

    wanted: bool
    due_s: float

    def turn(self) -> float | None:
        """Do what there is to do, within a bounded time.

        Returns:
            In how many seconds the next turn is due; ``None``: there is none any more.
        """
        ...

    def give_up(self) -> None:
        """There will be no turn: no thread can be started, or it raised."""
        ...


class Hub:
    """Owns the thread, and what clients share there. A forked child has another hub.

    Attributes:
        handles: Connections to Kafka, by their brokers. For the thread only.
    """

    def __init__(self) -> None:
        self.handles = Handles()
        self._bell = Bell()
        self._token = [True]
        self._coming: deque[Member] = deque()
        self._thread_id: int | None = None

    def add(self, member: Member) -> None:
        """Look after ``member`` from now on. Neither blocks nor raises."""
        self._coming.append(member)
        try:
            self._token.pop()  # there is a thread, or one caller gets to start it
        except IndexError:
            self._bell.ring()
            return
        try:
            start_thread(self._run)
        except RuntimeError:  # the interpreter is ending, or the system has no more threads
            self._token.append(True)
            for one in self._arrived():
                one.give_up()

    def want(self, member: Member) -> None:
        """Give ``member`` a turn at once. Neither blocks nor raises."""
        member.wanted = True
        self._bell.ring()

    def is_here(self) -> bool:
        """Whether this is called in the thread."""
        return self._thread_id is not None and self._thread_id == thread_id()

    def _run(self) -> None:
        """The thread."""
        self._thread_id = thread_id()
        members: list[Member] = []
        while True:
            members += self._arrived()
            members = [member for member in members if _stays(member)]
            if members:
                self._rest(members)
            elif self._may_end():
                return

    def _arrived(self) -> Iterator[Member]:
        """Those who have come, each handed out once, whoever else asks at the same time."""
        while True:
            try:
                member = self._coming.popleft()
            except IndexError:
                return
            yield member

    def _may_end(self) -> bool:
        """Whether nobody has come by the time that another thread could be started."""
        self._thread_id = None
        self._token.append(True)
        if not self._coming:
            return True
        try:
            self._token.pop()
        except IndexError:  # whoever has come has started another
            return True
        self._thread_id = thread_id()
        return False

    def _rest(self, members: Sequence[Member]) -> None:
        """Wait until a turn is due, or somebody rings."""
        if self._coming or any(member.wanted for member in members):
            return
        self._bell.wait(max(0.0, min(member.due_s for member in members) - time.monotonic()))


def _stays(member: Member) -> bool:
    """Give ``member`` its turn if it is time to; returns whether it has another to come."""
    if not member.wanted and time.monotonic() < member.due_s:
        return True
    member.wanted = False
    try:
        wait_s = member.turn()
    except BaseException:  # the thread's edge: the other clients' events must go on being moved
        member.give_up()
        return False
    if wait_s is None:
        return False
    member.due_s = time.monotonic() + wait_s
    return True


_hubs: Final = [Hub()]
"""The last is this process's. What a child inherits is kept and never used."""


def of_process() -> Hub:
    """This process's hub."""
    return _hubs[-1]


def is_here() -> bool:
    """Whether this is called in the background thread."""
    return of_process().is_here()


def _after_fork_in_child() -> None:
    _hubs.append(Hub())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

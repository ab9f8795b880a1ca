"""Calls from places that must not block: ``__del__``, a signal handler, a logging handler."""

import gc
import logging
import math
import signal
from collections.abc import Callable
from types import FrameType

import pytest
from tests.support.polling import eventually_sync

from gnomon.client import Client
from gnomon.events import TaskEvent

Sent = Callable[[], list[TaskEvent]]


@pytest.fixture
def client(any_client: Client) -> Client:
    """Return the client; every test here runs with ``Client`` and with ``MemoryClient``."""
    return any_client


def adds_up(client: Client) -> bool:
    stats = client.stats()
    parts = stats.delivered + stats.failed + stats.spooled + stats.buffered + stats.in_flight
    return stats.accepted == parts


def test_from_finalizers_while_garbage_is_collected_in_a_call(
    client: Client, published: Sent
) -> None:
    """The collector frees cycles while the client itself allocates."""
    died = []

    class Node:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            died.append(True)
            with client.task("finalizer", context={"a": 1}):
                pass

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for _ in range(500):
            Node()
            with client.task("x", context={"a": 1}) as task:
                task.set(code_review_iterations=1, note="n")
    finally:
        gc.set_threshold(*threshold)

    def all_died() -> bool:
        gc.collect()  # does nothing while another thread collects
        return len(died) == 500

    eventually_sync(all_died, what="all nodes are freed")
    events = published()
    assert len(events) == client.stats().accepted == 4 * 500
    assert adds_up(client)


def test_from_a_signal_handler_in_the_middle_of_a_call(client: Client, published: Sent) -> None:
    handled = []

    def handle(number: int, frame: FrameType | None) -> None:
        handled.append(number)
        with client.task("handler"):
            pass

    before = signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    rounds = 0
    try:
        while len(handled) < 50 and rounds < 200_000:
            rounds += 1
            with client.task("x", context={"a": 1}) as task:
                task.set(note="n")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

    assert len(handled) >= 50
    stats = client.stats()
    assert stats.accepted + stats.dropped == 2 * (rounds + len(handled))
    assert len(published()) == stats.accepted
    assert adds_up(client)


def test_from_a_logging_handler_of_the_clients_logger(
    client: Client, published: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with client.task("log", context={"line": record.getMessage()}):
                pass

    root, handler = logging.getLogger(), Telling()
    root.addHandler(handler)
    try:
        for number in range(100):
            logging.getLogger("agent").warning("line %d", number)
            with client.task("x", context={"bad": math.nan}):
                pass
    finally:
        root.removeHandler(handler)

    assert len(published()) >= 2 * 200
    assert client.stats().dropped_invalid == 100

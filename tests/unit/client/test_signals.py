"""SIGTERM delivers the waiting events within a time limit, then has its usual effect."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from gnomon.client import MemoryClient, install_sigterm

IN_MEMORY = """
import os, signal, sys, time
from tests.support.client.producers import MemoryProducer, in_place_of_kafka
import gnomon.client.capture.intake as outlet
from gnomon import Client, install_sigterm

class Printing(MemoryProducer):
    def send(self, ticket, record):
        print("sent", flush=True)
        return super().send(ticket, record)

outlet.kafka = in_place_of_kafka(Printing())
"""


def run(script: str, *, timeout_s: float = 20) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.parametrize("argument", ["", "client"])
def test_without_a_handler_the_process_ends_by_the_signal(argument: str) -> None:
    done = run(
        IN_MEMORY
        + f"""
client = Client("kafka.invalid:9092", agent_id="a")
assert install_sigterm({argument})
client.start("last words")
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
print("never")
"""
    )

    assert (done.stdout, done.stderr) == ("sent\n", "")
    assert done.returncode == -signal.SIGTERM


def test_an_earlier_handler_is_called_and_may_go_on() -> None:
    done = run(
        IN_MEMORY
        + """
stop = []
signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
client = Client("kafka.invalid:9092", agent_id="a")
assert install_sigterm()
task = client.start("under way")
os.kill(os.getpid(), signal.SIGTERM)
assert stop == [signal.SIGTERM]
client.finish(task)
client.close()
print(client.stats().delivered)
"""
    )

    assert (done.stdout, done.stderr, done.returncode) == ("sent\nsent\n2\n", "", 0)


def test_waiting_events_are_delivered_before_an_earlier_handler_ends_the_process() -> None:
    done = run(
        IN_MEMORY
        + """
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
client = Client("kafka.invalid:9092", agent_id="a")
assert install_sigterm()
client.start("last words")
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
"""
    )

    assert (done.stdout, done.stderr, done.returncode) == ("sent\n", "", 7)


def test_an_ignored_signal_stays_ignored() -> None:
    done = run(
        IN_MEMORY
        + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
client = Client("kafka.invalid:9092", agent_id="a")
assert install_sigterm(client)
os.kill(os.getpid(), signal.SIGTERM)
client.start("goes on")
assert client.flush(5) == 0
"""
    )

    assert (done.stdout, done.stderr, done.returncode) == ("sent\n", "", 0)


def test_a_dead_broker_delays_the_end_no_longer_than_the_time_limit() -> None:
    began_s = time.monotonic()
    done = run(
        """
        import os, signal, time
        from gnomon import Client, install_sigterm
        client = Client("127.0.0.1:9", agent_id="a", exit_timeout_s=0.5)
        install_sigterm(client)
        client.start("last words")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        """
    )

    assert done.returncode == -signal.SIGTERM
    assert time.monotonic() - began_s < 10  # the interpreter's start and the time limit, not 30 s


def test_in_another_thread_it_counts_and_does_nothing() -> None:
    client, installed = MemoryClient(), []
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: installed.append(install_sigterm(client)))
    thread.start()
    thread.join()

    assert installed == [False]
    assert client.stats().dropped_invalid == 1
    assert signal.getsignal(signal.SIGTERM) is before

"""Forks during a look-up of an address, which leave glibc's resolver locked in the child."""

from tests.support.client.mock_kafka import MockKafka
from tests.support.scripts import run

LOOK_UP_ALL_THE_TIME = """
import os, signal, socket, sys, threading, time
from gnomon import Client
from gnomon.client.process.native import resolver_is_free
client = Client(sys.argv[1], agent_id="a")
stop = threading.Event()
def look_up():
    while not stop.is_set():
        socket.getaddrinfo("127.0.0.1", None, flags=socket.AI_ADDRCONFIG)
threads = [threading.Thread(target=look_up, daemon=True) for _ in range(2)]
[thread.start() for thread in threads]
"""


def test_a_child_whose_resolver_is_locked_is_not_frozen() -> None:
    """The child's events cannot be delivered, but it runs and ends in time."""
    with MockKafka() as broker:
        done = run(
            LOOK_UP_ALL_THE_TIME,
            """
            def child():
                signal.alarm(20)  # ends even a process whose interpreter is stuck
                if resolver_is_free(0.3):
                    os._exit(0)
                client.start("child")
                until_s = time.monotonic() + 2.5
                while time.monotonic() < until_s:
                    time.sleep(0.01)
                began_s = time.monotonic()
                left = client.close(0.5)
                in_time = time.monotonic() - began_s < 2
                os._exit((7 if left else 0) if in_time else 1)

            ends = []
            while 7 not in ends:
                pid = os.fork()
                if pid == 0:
                    child()
                status = os.waitpid(pid, 0)[1]
                assert os.WIFEXITED(status), status
                ends.append(os.WEXITSTATUS(status))
            stop.set()
            print(1 in ends)
            """,
            arguments=(broker.brokers,),
            timeout_s=110,
        )

    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_fork_that_finds_the_resolver_locked_waits_only_a_moment() -> None:
    """The same in a child of such a child."""
    done = run(
        LOOK_UP_ALL_THE_TIME,
        """
        code = 0
        while not code:
            pid = os.fork()
            if pid == 0:
                if resolver_is_free(0.3):
                    os._exit(0)
                client.start("child")
                began_s = time.monotonic()
                if os.fork() == 0:
                    os._exit(0)
                os.wait()
                os._exit(7 if time.monotonic() - began_s < 5 else 1)
            code = os.WEXITSTATUS(os.waitpid(pid, 0)[1])
        stop.set()
        print(code)
        """,
        arguments=("127.0.0.1:9",),
        timeout_s=110,
    )

    assert done.stdout == "7\n"

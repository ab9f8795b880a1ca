"""Forks of every kind, with librdkafka: parent and child each deliver their own, each once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.scripts import run, run_file

from gnomon import codec
from gnomon.events import TaskStarted

CLIENT = """
import os, sys, time
from gnomon import Client
client = Client(sys.argv[1], agent_id="a", exit_timeout_s=10)
def say(what, count=20):
    for _ in range(count):
        client.start(what)
"""


@pytest.fixture
def broker() -> Iterator[MockKafka]:
    with MockKafka() as made:
        yield made


def stored_starts(broker: MockKafka) -> Counter[str]:
    """Return how many starts of each task type are stored; no event is stored twice."""
    found = [codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers)]
    assert len({(event.producer_id, event.seq) for event in found}) == len(found)
    return Counter(event.task_type for event in found if isinstance(event, TaskStarted))


@pytest.mark.parametrize("ending", ["sys.exit(0)", "client.close(10); os._exit(0)", "pass"])
def test_os_fork(broker: MockKafka, ending: str) -> None:
    done = run(
        CLIENT,
        f"""
        say("before")
        client.flush(10)
        say("around")
        pid = os.fork()
        if pid == 0:
            say("child")
            {ending}
        else:
            assert os.waitpid(pid, 0)[1] == 0
            say("after")
        """,
        arguments=(broker.brokers,),
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stored_starts(broker) == {"before": 20, "around": 20, "child": 20, "after": 20}


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("flushes", [False, True])
def test_multiprocessing(broker: MockKafka, method: str, flushes: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Such a child skips ``atexit``."""
    body = (
        CLIENT
        + f"""
import multiprocessing

def work():
    say("child")
    if {flushes}:
        assert client.flush(10) == 0

if __name__ == "__main__":
    say("before")
    context = multiprocessing.get_context("{method}")
    children = [context.Process(target=work) for _ in range(2)]
    [child.start() for child in children]
    [child.join() for child in children]
    assert [child.exitcode for child in children] == [0, 0]
"""
    )
    done = run_file(tmp_path, body, (broker.brokers,))

    assert (done.returncode, done.stderr) == (0, "")
    assert stored_starts(broker) == {"before": 20, "child": 40}


def test_a_pool_of_processes(broker: MockKafka, tmp_path: Path) -> None:
    body = (
        CLIENT
        + """
from concurrent.futures import ProcessPoolExecutor

def work(number):
    with client.task("work"):
        return os.getpid()

if __name__ == "__main__":
    say("before")
    with ProcessPoolExecutor(2) as pool:
        assert len(set(pool.map(work, range(100), chunksize=5))) <= 2
"""
    )
    done = run_file(tmp_path, body, (broker.brokers,))

    assert (done.returncode, done.stderr) == (0, "")
    assert stored_starts(broker) == {"before": 20, "work": 100}


def test_a_server_that_forks_its_workers_and_kills_them_softly(
    broker: MockKafka, tmp_path: Path
) -> None:
    """A prefork server: it loads the application, forks, serves until SIGTERM, and forks anew."""
    body = (
        CLIENT
        + """
import signal

def serve():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say("served")
    os.write(ready, b"!")
    while True:  # a signal right before a pause would be missed
        time.sleep(0.05)

def start():
    pid = os.fork()
    if pid == 0:
        serve()
    return pid

say("loaded")
serving, ready = os.pipe()
workers = [start() for _ in range(3)]
for _ in workers:
    os.read(serving, 1)
os.kill(workers[0], signal.SIGTERM)
assert os.waitpid(workers[0], 0)[1] == 0
workers[0] = start()
os.read(serving, 1)
for worker in workers:
    os.kill(worker, signal.SIGTERM)
    assert os.waitpid(worker, 0)[1] == 0
"""
    )
    done = run_file(tmp_path, body, (broker.brokers,))

    assert (done.returncode, done.stderr) == (0, "")
    assert stored_starts(broker) == {"loaded": 20, "served": 80}


@pytest.mark.slow
def test_many_forks_while_another_thread_publishes(broker: MockKafka) -> None:
    """A child works whatever the background thread does at the moment of the fork."""
    done = run(
        CLIENT,
        """
        import threading
        stop = threading.Event()
        def publish():
            while not stop.is_set():
                with client.task("x"):
                    stop.wait(0.005)
        thread = threading.Thread(target=publish)
        thread.start()
        bad, forks = [], 1000
        for number in range(forks):
            pid = os.fork()
            if pid == 0:
                if number % 30:
                    client.start("skips its end")
                    os._exit(0)
                client.start("child")
                left = client.flush(10)
                os._exit(left or client.stats().delivered - 1)
            status = os.waitpid(pid, 0)[1]
            if status:
                bad.append((number, status))
        stop.set()
        thread.join()
        left, stats = client.flush(10), client.stats()
        print(bad, left, stats.accepted == stats.delivered)
        """,
        arguments=(broker.brokers,),
        timeout_s=110,
    )

    assert (done.stdout, done.stderr) == ("[] 0 True\n", "")
    assert stored_starts(broker)["child"] == 34


@pytest.mark.parametrize("delay_s", [0, 0.01, 0.03, 0.06, 0.1])
def test_a_fork_right_after_the_first_event(broker: MockKafka, delay_s: float) -> None:
    """At that time the thread imports modules or makes its handle."""
    done = run(
        CLIENT,
        f"""
        say("before", 1)
        time.sleep({delay_s})
        pid = os.fork()
        say("after", 1)
        assert client.flush(10) == 0, client.stats()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
        """,
        arguments=(broker.brokers,),
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert stored_starts(broker) == {"before": 1, "after": 2}


@pytest.mark.parametrize("workers", ["sync", "gevent"])
def test_gunicorn_that_loads_first(broker: MockKafka, tmp_path: Path, workers: str) -> None:
    """Gunicorn's gevent workers may take their whole grace time to end, even without a client."""
    (tmp_path / "service.py").write_text(
        """
import os
from gnomon import Client
client = Client(os.environ["TO"], agent_id="a", exit_timeout_s=10)
client.start("loaded")

def app(environ, start_response):
    with client.task("request"):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
"""
    )
    body = """
import os, signal, subprocess, time, urllib.request
from gnomon.broker.probe import free_port
port = free_port()
server = subprocess.Popen(
    [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", f"127.0.0.1:{port}",
     "--worker-class", sys.argv[2], "--log-level", "error", "--no-control-socket",
     "--graceful-timeout", "5", "service:app"],
    env={**os.environ, "TO": sys.argv[1]})
served = 0
until = time.monotonic() + 30
while served < 50 and time.monotonic() < until:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            served += answer.read() == b"ok"
    except OSError:
        time.sleep(0.1)
server.send_signal(signal.SIGTERM)
print(served, server.wait(60))
"""
    done = run_file(tmp_path, body, (broker.brokers, workers))

    assert (done.stdout, done.stderr) == ("50 0\n", "")
    assert stored_starts(broker) == {"loaded": 1, "request": 50}

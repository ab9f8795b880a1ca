"""A process with a dead broker ends within its time limit and accounts for every event."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.polling import eventually_sync
from tests.support.scripts import ROOT, run

from gnomon import Client, codec

REFUSED = "127.0.0.1:9"
NO_SUCH_HOST = "kafka.invalid:9092"
BACKENDS = ["refuses", "hangs", "has no address", "is stopped"]
ENDING = """
import atexit, sys, time
from gnomon import Client
brokers, budget_s, clients, spool = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ended = []
atexit.register(lambda: print(time.monotonic() - ended[0]))
made = [Client(brokers, agent_id="a", exit_timeout_s=budget_s, spool_dir=spool) for _ in range(clients)]
for number in range(500):
    for client in made:
        with client.task(f"t{number}"):
            pass
made[0].flush(0.3)
ended.append(time.monotonic())
"""
"""A process with 1,000 events for each client, which prints how long its end took."""


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a broker that behaves as the parameter says."""
    with contextlib.ExitStack() as stack:
        if request.param == "is stopped":
            broker = stack.enter_context(MockKafka())
            broker.stop()
            yield broker.brokers
        elif request.param == "hangs":
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        else:
            yield REFUSED if request.param == "refuses" else NO_SUCH_HOST


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize(("budget_s", "clients"), [(0.5, 1), (2.0, 1), (1.0, 3)])
def test_the_end_takes_no_longer_than_it_may(backend: str, budget_s: float, clients: int) -> None:
    done = run(ENDING, arguments=(backend, str(budget_s), str(clients), ""))

    assert (done.returncode, done.stderr.count("\n") <= 1) == (0, True)
    assert budget_s * 0.8 < float(done.stdout) < budget_s + 0.3


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_with_a_spool_the_end_takes_no_longer_and_the_next_process_sends_all(
    backend: str, tmp_path: Path
) -> None:
    spool = str(tmp_path / "spool")
    done = run(ENDING, arguments=(backend, "2.0", "1", spool))
    assert (done.returncode, done.stderr.count("\n") <= 1) == (0, True)
    assert float(done.stdout) < 2.3

    with MockKafka() as broker, Client(broker.brokers, spool_dir=spool) as client:
        client.start("another", agent_id="b")
        eventually_sync(lambda: client.stats().replayed >= 1_000, what="the spool is sent")
        assert client.flush(10) == 0
        found = [codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers)]

    mine = {(e.producer_id, e.seq) for e in found if e.agent_id == "a"}
    assert len(mine) == 1_000
    assert {seq for _, seq in mine} == set(range(1_000))


def test_what_waits_is_delivered_at_the_end() -> None:
    with MockKafka() as broker:
        done = run(ENDING, arguments=(broker.brokers, "10", "3", ""))
        found = stored(broker.brokers)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(found) == 3_000
    assert float(done.stdout) < 5


@pytest.mark.parametrize("ending", ["sys.exit(3)", "1 / 0", "signal.raise_signal(signal.SIGINT)"])
def test_other_ends_deliver_too(ending: str) -> None:
    body = f"""
    import signal, sys
    from gnomon import Client
    client = Client(sys.argv[1], agent_id="a", exit_timeout_s=10)
    client.start("last words")
    {ending}
    """
    with MockKafka() as broker:
        run(body, arguments=(broker.brokers,))
        assert len(stored(broker.brokers)) == 1


PACED = """
import itertools, sys, time
from gnomon import Client
client = Client(sys.argv[1], agent_id="a", spool_dir=sys.argv[2])
client.start("warm")
client.flush(10)
for number in itertools.count():
    client.start(f"{number}", started_at_ms=time.time_ns() // 1_000_000)
    print(number, time.time_ns() // 1_000_000, flush=True)
    time.sleep(0.001)
"""


def killed(brokers: str, spool: str, *, after: int, outage: MockKafka | None = None) -> list[int]:
    """Kill a process that publishes; return when it reported each number as published."""
    with subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", PACED, brokers, spool], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        at_ms: list[int] = []
        for line in process.stdout:
            number, said_ms = map(int, line.split())
            at_ms.append(said_ms)
            if number == after // 2 and outage is not None:
                outage.stop()
            if number == after:
                break
        process.send_signal(signal.SIGKILL)
        at_ms += [int(line.split()[1]) for line in process.stdout if line.endswith("\n")]
    return at_ms


def test_sigkill_loses_only_what_is_a_moment_old() -> None:
    """20 ms to the next step, 5 ms of linger, and time for a busy machine."""
    with MockKafka() as broker:
        at_ms = killed(broker.brokers, "", after=1_500)
        found = {codec.decode_task_event(m.value() or b"").seq for m in stored(broker.brokers)}

    lost = [at for number, at in enumerate(at_ms) if number + 1 not in found]  # 0 is the first
    assert len(at_ms) >= 1_500
    assert all(at_ms[-1] - at <= 150 for at in lost)
    assert found == set(range(len(found)))


def test_sigkill_loses_nothing_old_that_a_spool_could_take(tmp_path: Path) -> None:
    """The broker hangs for the last 1.5 s or more; after 1 s all events go to the spool."""
    spool = str(tmp_path / "spool")
    with MockKafka() as broker:
        at_ms = killed(broker.brokers, spool, after=3_000, outage=broker)
        broker.go_on()
        with Client(broker.brokers, spool_dir=spool) as client:
            client.start("another", agent_id="b")
            eventually_sync(lambda: client.stats().replayed > 1_000, what="the spool is sent")
            eventually_sync(lambda: client.flush(10) == 0, what="all is sent")
            settled_s = time.monotonic() + 1.0
            eventually_sync(lambda: time.monotonic() > settled_s, what="the spool is through")
        events = [codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers)]

    found = {event.seq for event in events if event.agent_id == "a"}
    lost = [at for number, at in enumerate(at_ms) if number + 1 not in found]
    assert all(at_ms[-1] - at <= 150 for at in lost)

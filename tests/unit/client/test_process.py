"""What a client does to the process it lives in: forks, exit, imports, log lines.

These run in processes of their own; nothing listens at port 9.
"""

import subprocess
import sys
import textwrap
import time

import pytest

DEAD = "127.0.0.1:9"
HEAVY = [
    "faust",
    "mlflow",
    "sklearn",
    "numpy",
    "pandas",
    "cryptography",
    "sentry_sdk",
    "sqlalchemy",
    "rich",
    "prometheus_client",
]

IN_MEMORY = """
import os, sys
import gnomon.client.outlet as outlet
from gnomon import Client, codec
from gnomon.client.delivery import Delivery

class Memory:
    def __init__(self):
        self.ids = []
    async def deliver(self, records):
        self.ids += [codec.decode_task_event(r.value).task_id for r in records]
        return [Delivery(records, None)]
    async def stop(self, timeout_s):
        pass

memory = Memory()
async def connect():
    return memory
outlet.kafka = lambda brokers, topic: connect
client = Client("kafka.invalid:9092", agent_id="a")
"""
"""A client that delivers into ``memory``, each process into its own."""


def run(script: str, *, timeout_s: float = 30) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own script
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore:.*fork:DeprecationWarning",
            "-c",
            textwrap.dedent(script),
        ],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def test_a_forked_child_has_a_buffer_ids_and_a_thread_of_its_own() -> None:
    done = run(
        IN_MEMORY
        + """
parent = client.start("parent")
assert client.flush(5) == 0
waiting = client.start("left in the buffer at the fork")
pid = os.fork()
if pid == 0:
    assert client.stats().accepted == 0, client.stats()
    child = client.start("child")
    client.finish(parent)
    left = client.flush(5)
    own = memory.ids[memory.ids.index(child.task_id):]
    print("child", left, client.stats().delivered, own == [child.task_id, parent.task_id])
    print("new", child.task_id.split("-")[0] != parent.task_id.split("-")[0], flush=True)
    sys.exit(0)
_, status = os.waitpid(pid, 0)
client.finish(waiting)
print("parent", status, client.flush(5), client.stats().delivered, len(memory.ids))
"""
    )

    assert done.stderr == ""
    assert done.stdout.split("\n")[:3] == ["child 0 2 True", "new True", "parent 0 0 3 3"]


@pytest.mark.parametrize("delay_s", [0, 0.01, 0.03, 0.08])
def test_a_fork_right_after_the_first_event_works(delay_s: float) -> None:
    """The thread is then in the middle of its imports."""
    done = run(
        IN_MEMORY
        + f"""
import time
client.start("first")
time.sleep({delay_s})
pid = os.fork()
client.start("second")
print(client.flush(10), client.stats().delivered, flush=True)
if pid:
    _, status = os.waitpid(pid, 0)
    print("status", status)
"""
    )

    assert sorted(done.stdout.split("\n")) == ["", "0 1", "0 2", "status 0"]
    assert done.stderr == ""


def test_a_child_that_tears_down_what_it_inherited_leaves_the_parent_alone() -> None:
    """What destructors of the inherited loop and its sockets may do in the child."""
    done = run(
        IN_MEMORY
        + """
client.start("before")
assert client.flush(5) == 0
pid = os.fork()
if pid == 0:
    (sender,) = client._outlet._inherited
    selector = sender._loop._selector
    for fd in list(selector.get_map()):
        selector.unregister(fd)
    os._exit(0)
os.waitpid(pid, 0)
import time
time.sleep(0.5)  # the thread goes to sleep: only its wake-up socket can rouse it
client.start("after")
until = time.monotonic() + 5
while client.stats().delivered < 2 and time.monotonic() < until:
    time.sleep(0.01)
print(client.stats().delivered)
"""
    )

    assert (done.stdout, done.stderr) == ("2\n", "")


def test_many_forks_while_another_thread_publishes() -> None:
    done = run(
        IN_MEMORY
        + """
import threading
stop = threading.Event()
def publish():
    while not stop.is_set():
        with client.task("x"):
            stop.wait(0.0005)
thread = threading.Thread(target=publish)
thread.start()
bad = 0
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        client.start("child")
        os._exit(client.flush(5) or client.stats().delivered - 1)
    bad += os.waitpid(pid, 0)[1]
stop.set()
thread.join()
left, stats = client.flush(5), client.stats()
print(bad, left, stats.accepted == stats.delivered == len(memory.ids) > 0)
"""
    )

    assert (done.stdout, done.stderr) == ("0 0 True\n", "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_multiprocessing_child_delivers_before_it_ends(method: str, tmp_path: object) -> None:
    """Such a child skips ``atexit``."""
    script = f"{tmp_path}/script.py"
    body = IN_MEMORY + textwrap.dedent(
        """
        import multiprocessing, pathlib

        async def deliver(records):
            with open(sys.argv[1], "a") as file:
                file.writelines(codec.decode_task_event(r.value).task_type + "\\n" for r in records)
            return [Delivery(records, None)]
        memory.deliver = deliver

        def work():
            client.start("in the child")

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[2])
            child = context.Process(target=work)
            child.start()
            child.join()
            print(child.exitcode)
        """
    )
    with open(script, "w") as file:  # noqa: PTH123  a scratch script
        file.write(body)
    out = f"{tmp_path}/out"
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, script, out, method],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("0\n", "")
    with open(out) as file:  # noqa: PTH123  as above
        assert file.read() == "in the child\n"


def test_what_waits_is_delivered_at_exit() -> None:
    done = run(
        IN_MEMORY
        + """
import atexit
atexit.register(lambda: print(len(memory.ids)))  # runs after the client's, registered below
def main():
    client.start("last words")
main()
"""
    )

    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("budget_s", [0.3, 1.0])
def test_a_dead_broker_holds_up_the_exit_no_longer_than_the_budget(budget_s: float) -> None:
    done = run(
        f"""
        import atexit, time
        from gnomon import Client
        ended = []
        atexit.register(lambda: print(time.monotonic() - ended[0]))
        client = Client("{DEAD}", agent_id="a", exit_timeout_s={budget_s})
        for _ in range(1000):
            with client.task("x"):
                pass
        client.flush(0.5)
        ended.append(time.monotonic())
        """
    )

    assert done.returncode == 0
    assert budget_s * 0.9 < float(done.stdout) < budget_s + 0.5


def test_an_outage_is_one_line_in_the_log() -> None:
    done = run(
        f"""
        import logging, time
        logging.basicConfig(level=logging.DEBUG, format="%(name)s")
        from gnomon import Client
        client = Client("{DEAD}", agent_id="a", max_events=50, exit_timeout_s=0.1)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with client.task("x", context={{"bad": object()}}) as task:
                task.set(code_review_iterations=-1)
            client.flush(0.01)
        stats = client.stats()
        assert stats.accepted == 50 and stats.dropped_full > 50 < stats.dropped_invalid, stats
        """
    )

    assert done.returncode == 0
    assert done.stderr.split() == ["gnomon.client"]


def test_an_agents_own_aiokafka_stays_audible() -> None:
    done = run(
        f"""
        import asyncio, logging
        from gnomon import Client
        client = Client("{DEAD}", agent_id="a", exit_timeout_s=0.1)
        with client.task("x"):
            pass
        client.flush(1.0)
        logging.basicConfig(format="%(name)s")
        from aiokafka import AIOKafkaProducer
        async def own():
            producer = AIOKafkaProducer(bootstrap_servers="{DEAD}")
            try:
                await producer.start()
            except Exception:
                await producer.stop()
        asyncio.run(own())
        """
    )

    assert done.returncode == 0
    assert "aiokafka" in done.stderr.split()


def test_no_call_waits_for_a_dead_broker() -> None:
    from gnomon import Client  # noqa: PLC0415  the other tests import it in their own process

    client = Client(DEAD, agent_id="a", max_events=100, exit_timeout_s=0.1)
    slowest_s = 0.0
    for _ in range(2_000):
        began_s = time.perf_counter()
        with client.task("x"):
            pass
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
    client.close()

    assert slowest_s < 0.25  # a blocking client takes 40 s; a busy machine may take a few ms
    assert client.stats().accepted + client.stats().dropped == 4_000


def test_importing_gnomon_is_light() -> None:
    done = run(
        f"""
        import sys, time
        from gnomon import Client
        loaded = [name for name in {[*HEAVY, "aiokafka"]!r} if name in sys.modules]
        assert not loaded, loaded
        client = Client("{DEAD}", agent_id="a", exit_timeout_s=0.1)
        task = client.task("x")
        client.flush(0.1)
        assert "aiokafka" not in sys.modules
        with task:
            pass
        until = time.monotonic() + 10
        while "aiokafka.producer" not in sys.modules and time.monotonic() < until:
            time.sleep(0.01)
        assert "aiokafka.producer" in sys.modules
        client.close()
        loaded = [name for name in {HEAVY!r} if name in sys.modules]
        assert not loaded, loaded
        """
    )

    assert (done.returncode, done.stderr) == (0, done.stderr if done.returncode == 0 else "")

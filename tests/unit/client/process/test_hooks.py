"""Effects of a client on its process: forks, imports, log lines, calls at unusual moments.

These run in processes of their own; nothing listens at port 9.
"""

import subprocess
import time

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.scripts import IN_MEMORY, run

from gnomon import Client

DEAD = "127.0.0.1:9"
HEAVY = [
    "aiokafka",
    "asyncio",
    "confluent_kafka",
    "cryptography",
    "faust",
    "mlflow",
    "numpy",
    "pandas",
    "prometheus_client",
    "rich",
    "sentry_sdk",
    "sklearn",
    "sqlalchemy",
]


def printed(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a program printed, after checking that it succeeded without a warning."""
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def test_a_forked_child_has_a_buffer_ids_and_a_thread_of_its_own() -> None:
    done = run(
        IN_MEMORY,
        """
        import os, sys
        parent = client.start("parent")
        assert client.flush(5) == 0
        waiting = client.start("left in the buffer at the fork")
        pid = os.fork()
        if pid == 0:
            assert client.stats().accepted == 0, client.stats()
            child = client.start("child")
            client.finish(parent)
            left = client.flush(5)
            own = ids()[ids().index(child.task_id):]
            print("child", left, client.stats().delivered, own == [child.task_id, parent.task_id])
            print("new", child.task_id.split("-")[0] != parent.task_id.split("-")[0], flush=True)
            first, *_, last = memory.events
            print("who", first.producer_id != last.producer_id, last.seq, flush=True)
            sys.exit(0)
        _, status = os.waitpid(pid, 0)
        client.finish(waiting)
        print("parent", status, client.flush(5), client.stats().delivered, len(ids()))
        print([event.seq for event in memory.events])
        """,
    )

    assert printed(done).split("\n") == [
        "child 0 2 True",
        "new True",
        "who True 1",
        "parent 0 0 3 3",
        "[0, 1, 2]",
    ]


def test_a_child_never_destroys_the_handle_it_inherited() -> None:
    """The handle's threads are not in the child: destroying it would wait for them for ever."""
    with MockKafka() as broker:
        done = run(
            """
            import gc, os, sys
            from gnomon import Client
            client = Client(sys.argv[1], agent_id="a", exit_timeout_s=10)
            client.start("before")
            assert client.flush(10) == 0
            pid = os.fork()
            if pid == 0:
                del client
                gc.collect()
                sys.exit(0)
            print(os.waitpid(pid, 0)[1], client.close(10))
            """,
            arguments=(broker.brokers,),
            timeout_s=60,
        )

    assert printed(done) == "0 0"


def test_a_client_that_is_closed_leaves_no_thread_behind() -> None:
    """Neither gnomon's thread nor librdkafka's remain."""
    with MockKafka() as broker:
        done = run(
            """
            import os, sys, time
            from gnomon import Client
            def threads():
                return len(os.listdir("/proc/self/task"))
            before = threads()
            for _ in range(5):
                client = Client(sys.argv[1], agent_id="a")
                client.start("x")
                assert client.flush(10) == 0
                during = threads()
                client.close(10)
            until = time.monotonic() + 10
            while threads() > before and time.monotonic() < until:
                time.sleep(0.05)
            print(during > before, threads() - before)
            """,
            arguments=(broker.brokers,),
        )

    assert printed(done) == "True 0"


def test_emitting_at_unusual_moments() -> None:
    """From ``__del__`` within the collector, a signal handler, a logging handler, another thread."""
    done = run(
        IN_MEMORY,
        """
        import gc, logging, signal, threading

        class Cycle:
            def __init__(self):
                self.me = self
            def __del__(self):
                client.start("del")

        class Handler(logging.Handler):
            def emit(self, record):
                client.start("log")

        logging.getLogger().addHandler(Handler())
        signal.signal(signal.SIGALRM, lambda *_: client.start("signal"))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        gc.set_threshold(10)
        def work():
            for number in range(3000):
                Cycle()
                logging.warning("w")
                client.start("plain")
        threads = [threading.Thread(target=work) for _ in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        work()
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.collect()
        left, stats = client.flush(20), client.stats()
        kinds = [event.task_type for event in memory.events]
        print(left, stats.accepted == stats.delivered == len(kinds))
        attempts = 4 * 3000 * 3 + kinds.count("signal")
        print(kinds.count("signal") > 10, stats.accepted + stats.dropped >= attempts)
        print(stats.dropped_invalid, sorted({event.seq for event in memory.events}) == list(range(len(kinds))))
        """,
    )

    assert printed(done).split("\n") == ["0 True", "True True", "0 True"]


def test_emitting_while_the_interpreter_ends() -> None:
    """In ``atexit``, before and after the client's own hook, and in the last objects destroyed."""
    done = run(
        """
        import atexit, sys
        atexit.register(lambda: client.start("after the client's end"))
        """,
        IN_MEMORY,
        """
        class Last:
            def __del__(self, client=client):
                client.start("torn down")
        sys.modules["last"] = last = Last()
        atexit.register(lambda: print(len(ids())))
        client.start("first")
        atexit.register(lambda: client.start("before the client's end"))
        """,
    )

    assert printed(done) == "2"


def test_gevent() -> None:
    """gevent patches before gnomon is imported, and the background thread is a real one still."""
    with MockKafka() as broker:
        done = run(
            """
            from gevent import monkey
            monkey.patch_all()
            import logging, sys, time
            import gevent
            from gnomon import Client
            client = Client(sys.argv[1], agent_id="a", exit_timeout_s=10)
            ticks = []
            def tick():
                while True:
                    ticks.append(time.perf_counter())
                    gevent.sleep(0.005)
            def work(number):
                for _ in range(20):
                    with client.task("x"):
                        gevent.sleep(0.001)
            ticking = gevent.spawn(tick)
            gevent.joinall([gevent.spawn(work, number) for number in range(20)])
            assert client.flush(20) == 0
            logging.getLogger("other").setLevel("ERROR")
            gevent.sleep(0.5)
            ticking.kill()
            longest = max(b - a for a, b in zip(ticks, ticks[1:]))
            print(client.stats().delivered, longest < 1.0)
            client.start("at the end")
            """,
            arguments=(broker.brokers,),
        )
        assert printed(done) == "800 True"
        assert len(stored(broker.brokers)) == 801


@pytest.mark.parametrize("outage", ["refuses", "dies", "hangs"])
def test_an_outage_is_one_line_in_the_log_and_nothing_on_stderr(outage: str) -> None:
    body = """
        import logging, os, signal, sys, time
        lines = []
        class Handler(logging.Handler):
            def emit(self, record):
                lines.append(record.name)
        logging.basicConfig(level=logging.DEBUG, handlers=[Handler()])
        from gnomon import Client
        client = Client(sys.argv[1], agent_id="a", max_events=50, exit_timeout_s=0.1)
        if sys.argv[2] != "0":
            client.start("x")
            assert client.flush(10) == 0
            os.kill(int(sys.argv[2]), int(sys.argv[3]))
        until = time.monotonic() + 6
        while time.monotonic() < until:
            with client.task("x", context={"bad": object()}) as task:
                task.set(code_review_iterations=-1)
            client.flush(0.01)
        stats = client.stats()
        assert stats.accepted - stats.delivered == 50, stats
        assert stats.dropped_full > 50 < stats.dropped_invalid, stats
        print(lines)
        """
    if outage == "refuses":
        done = run(body, arguments=(DEAD, "0", "0"))
    else:
        with MockKafka() as broker:
            sign = "9" if outage == "dies" else "19"
            done = run(body, arguments=(broker.brokers, str(broker.pid), sign))

    assert printed(done) == "['gnomon.client']"


@pytest.mark.slow
def test_an_outage_takes_no_memory_beyond_the_bound() -> None:
    """Ten seconds at more than 5,000/s into a buffer of 8 MB that is not emptied."""
    done = run(
        f"""
        import time
        from gnomon import Client
        from gnomon.client.process.log_limits import logger
        logger.setLevel("ERROR")
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        client = Client("{DEAD}", agent_id="a", exit_timeout_s=0.1)
        with client.task("warm"):
            pass
        client.flush(1)
        before, attempts = resident(), 2
        until = time.monotonic() + 10
        while time.monotonic() < until:
            for _ in range(30):
                with client.task("x", context={{"text": "x" * 500}}):
                    pass
            attempts += 60
            time.sleep(0.005)
        stats = client.stats()
        print(attempts > 50_000, stats.accepted + stats.dropped == attempts)
        print(stats.buffered_bytes <= 8 << 20, resident() - before < 32e6)
        """
    )

    assert printed(done).split("\n") == ["True True", "True True"]


def test_no_call_waits_for_a_dead_broker() -> None:
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


def test_importing_gnomon_is_light_and_kafka_is_loaded_in_the_background() -> None:
    done = run(
        f"""
        import sys, time
        from gnomon import Client
        from gnomon.client.process.log_limits import logger
        logger.setLevel("ERROR")
        loaded = [name for name in {HEAVY!r} if name in sys.modules]
        assert loaded in ([], ["asyncio"]), loaded
        client = Client("{DEAD}", agent_id="a", exit_timeout_s=0.1)
        task = client.task("x")
        client.flush(0.1)
        assert "confluent_kafka" not in sys.modules
        with task:
            pass
        until = time.monotonic() + 10
        while "confluent_kafka.cimpl" not in sys.modules and time.monotonic() < until:
            time.sleep(0.01)
        client.close()
        light = {{"asyncio", "confluent_kafka"}}
        print([name for name in {HEAVY!r} if name in sys.modules and name not in light])
        print("confluent_kafka" in sys.modules)
        """
    )

    assert printed(done).split("\n") == ["[]", "True"]

"""A broker that is stopped for longer than the library's time limit, or until the process ends."""

import time
from pathlib import Path

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.polling import eventually_sync
from tests.support.scripts import run

from gnomon import Client, codec
from gnomon.events import TaskFinished
from gnomon.sealing import OpeningKey


@pytest.mark.slow
def test_a_stop_beyond_the_librarys_time_limit_loses_nothing() -> None:
    """13 s: ``socket.timeout.ms`` is 10 s, so the request in flight is given up and sent again."""
    with MockKafka() as broker, Client(broker.brokers, agent_id="a") as client:
        client.start("before")
        assert client.flush(20) == 0
        broker.stop()
        until_s = time.monotonic() + 13.0
        while time.monotonic() < until_s:
            for _ in range(5):
                client.start("during")
            time.sleep(0.01)
        during = client.stats()
        broker.go_on()
        assert client.flush(40) == 0
        stats = client.stats()
        records = [m.value() or b"" for m in stored(broker.brokers)]

    assert during.delivered == 1
    assert stats.accepted > 3_000
    assert (stats.delivered, stats.failed, stats.dropped) == (stats.accepted, 0, 0)
    found = [codec.decode_task_event(record) for record in records]
    # One agent, so one partition: in the order of their numbers, each at its first place.
    first_places = list(dict.fromkeys((event.producer_id, event.seq) for event in found))
    assert first_places == [(found[0].producer_id, seq) for seq in range(stats.accepted)]
    # The mock broker stores a request that is sent again, which a real broker does not.
    assert 0 < len(found) - stats.accepted < 100


BURST = """
import atexit, sys, time
from gnomon import Client
from gnomon.events import TaskFinished
ended = []
def tell():
    print(time.monotonic() - ended[0], client.stats().spooled, client.stats().unsealed)
atexit.register(tell)
client = Client(sys.argv[1], agent_id="a", spool_dir=sys.argv[2], seal_to=sys.argv[3] or None)
end = TaskFinished(
    agent_id="a",
    task_id="t",
    task_type="x",
    started_at_ms=1,
    finished_at_ms=2,
    duration_s=0.001,
    succeeded=True,
    context={"size": 1},
)
for _ in range(10_000):
    assert client.emit(end)
ended.append(time.monotonic())
"""
"""A process whose buffer is full as it ends."""


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", OpeningKey.generate().public.line()], ids=["clear", "sealed"])
def test_a_full_buffer_is_in_the_spool_when_the_process_has_ended(key: str, tmp_path: Path) -> None:
    """Events that there was no time to seal are sent without their payload."""
    spool = str(tmp_path / "spool")
    with MockKafka() as broker:
        broker.stop()
        done = run(BURST, arguments=(broker.brokers, spool, key))
    took_s, spooled, unsealed = map(float, done.stdout.split())
    assert (done.returncode, took_s < 2.5, spooled) == (0, True, 10_000), done.stderr

    with MockKafka() as broker, Client(broker.brokers, spool_dir=spool) as client:
        client.start("another", agent_id="b")
        eventually_sync(lambda: client.stats().replayed >= 10_000, what="the spool is sent")
        assert client.flush(10) == 0
        found = [codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers)]
    ends = {e.seq: e for e in found if isinstance(e, TaskFinished)}
    assert set(ends) == set(range(10_000))
    assert sum(not (e.context or e.sealed_context) for e in ends.values()) == unsealed
    assert any(e.context for e in ends.values()) is (key == "")

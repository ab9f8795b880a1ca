"""A Celery worker that makes its client before it forks: parent and children deliver, each once."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.frameworks import ROOT, python_with
from tests.support.polling import eventually_sync

from gnomon import codec
from gnomon.events import TaskFinished, TaskStarted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JOBS = 50
SERVICE = """
import os
from celery import Celery
from gnomon import Client

client = Client(os.environ["TO"], agent_id="a")
client.start("loaded")
app = Celery("service", broker="filesystem://")
folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.update(broker_transport_options=folders, task_ignore_result=True)

@app.task
def work():
    with client.task("request"):
        pass
    with open("done", "a") as done:
        done.write(f"{os.getpid()}\\n")
"""
SEND = """
from celery import Celery
app = Celery("service", broker="filesystem://")
folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.update(broker_transport_options=folders)
for _ in range(int(__import__("sys").argv[1])):
    app.send_task("service.work")
"""


@pytest.fixture
def broker() -> Iterator[MockKafka]:
    with MockKafka() as made:
        yield made


def test_celery_that_forks_its_workers(broker: MockKafka, tmp_path: Path) -> None:
    python = python_with("celery")
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "service.py").write_text(SERVICE)
    environ = {"TO": broker.brokers, "PYTHONPATH": f"{ROOT / 'workers'}"}
    options = ["-P", "prefork", "-c", "2", "-l", "ERROR", "--without-gossip", "--without-mingle"]
    subprocess.run(  # noqa: S603  our own code
        [str(python), "-c", SEND, str(JOBS)], cwd=tmp_path, env=environ, check=True, timeout=60
    )
    worker = subprocess.Popen(  # noqa: S603  our own code
        [str(python), "-m", "celery", "-A", "service", "worker", *options],
        cwd=tmp_path,
        env=environ,
    )
    try:
        done = tmp_path / "done"
        eventually_sync(
            lambda: done.exists() and len(done.read_text().split()) == JOBS,
            what="Celery's doing all that it was sent",
            timeout_s=60.0,
        )
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0

    events = [codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers)]
    assert len({(event.producer_id, event.seq) for event in events}) == len(events)
    told = Counter((type(event), getattr(event, "task_type", "")) for event in events)
    assert told == {
        (TaskStarted, "loaded"): 1,
        (TaskStarted, "request"): JOBS,
        (TaskFinished, "request"): JOBS,
    }
    children = {event.producer_id for event in events if isinstance(event, TaskFinished)}
    assert len(children) == len(set(done.read_text().split()))

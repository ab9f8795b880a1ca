"""What an agent seals is readable nowhere on its way and nowhere at rest, but to the key's holder.

Beside each sealed task goes one in clear, whose words must be found where they may be: so a search
that finds nothing has looked.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import Kafka
from tests.support.commands import gnomon
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.topics import TOPICS
from gnomon.vault import create_sealing_key

TASKS = 10_000 if os.environ.get("LONG") else 300
"""How many more tasks say each word, half of them sealed by the agent."""

PATIENCE_S = 30 + TASKS / 20

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60 + PATIENCE_S)]

SECRET, CLEAR = b"payroll-of-the-board", b"minutes-of-the-choir"


class Said(NamedTuple):
    """Where it was said, and the key that opens it."""

    pipeline: Pipeline
    key: Path


def publish(client: Client, *, word: str, task: str) -> None:
    """A task that ends, whose context and outcome have ``word``, and one that does not end."""
    with client.task(
        "review", agent_id="confidant", task_id=f"{task}-ended", context={word: 1, "text": word}
    ) as running:
        running.set(code_review_iterations=2, verdict=word)
    client.start("review", agent_id="confidant", task_id=f"{task}-open", context={"text": word})


def publish_ended(client: Client, *, word: str, task: str) -> None:
    """A task with ``word`` in its free text: key and values of its context, values of its outcome."""
    with client.task(
        "review",
        agent_id=f"agent-{hash(task) % 97}",
        task_id=task,
        context={word: word, "at": word},
    ) as running:
        running.set(verdict=word, remark=word)


@pytest.fixture(scope="module")
def said(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Said:
    path = tmp_path_factory.mktemp("keys") / "sealing.pem"
    key = create_sealing_key(path)
    sealing = Client(pipeline.brokers, topic_prefix=pipeline.prefix, seal_to=key.public.line())
    clear = Client(pipeline.brokers, topic_prefix=pipeline.prefix)
    publish(sealing, word=SECRET.decode(), task="sealed")
    publish(clear, word=CLEAR.decode(), task="clear")
    for number in range(TASKS // 2):
        publish_ended(sealing, word=SECRET.decode(), task=f"sealed-{number}")
        publish_ended(clear, word=CLEAR.decode(), task=f"clear-{number}")
        if number % 250 == 0:  # no more than the clients' buffers hold
            assert sealing.flush(60) == clear.flush(60) == 0
    assert sealing.close(60) == clear.close(60) == 0
    assert (sealing.stats().delivered, sealing.stats().unsealed) == (3 + TASKS // 2 * 2, 0)
    ended = {f"{kind}-{number}" for kind in ("sealed", "clear") for number in range(TASKS // 2)}
    eventually_sync(
        lambda: (
            {"sealed-ended", "clear-ended", *ended} <= pipeline.decided().keys()
            and not pipeline.lag()
        ),
        timeout_s=PATIENCE_S,
        what="both tasks decided and stored",
    )
    return Said(pipeline, path)


def topics_with(pipeline: Pipeline, word: bytes) -> set[str]:
    """Topics with a record whose key, value or headers hold ``word``."""
    found = set()
    for topic in TOPICS:
        for record in pipeline.read(topic.name):
            parts = [record.key or b"", record.value or b"", *(v for _, v in record.headers)]
            if any(word in part for part in parts):
                found.add(topic.name)
    return found


def files_with(folder: Path, word: bytes, *, prefix: str = "") -> set[str]:
    """Names of the files below ``folder`` that hold ``word``.

    Left out are the broker's folders of topics that do not begin with ``prefix``, of other tests, and
    its indexes: 10 MB each, of numbers only.
    """
    found = set()
    for path in (Path(parent, name) for parent, _, names in os.walk(folder) for name in names):
        if path.suffix in {".index", ".timeindex"} or (
            re.fullmatch(r"[a-z]+[0-9a-f]{8}-.*-\d+", path.parent.name)
            and not path.parent.name.startswith(prefix)
        ):
            continue
        try:
            if path.is_file() and word in path.read_bytes():
                found.add(path.name)
        except FileNotFoundError:
            continue  # a snapshot that was replaced meanwhile
    return found


def test_no_record_of_any_topic_shows_it(said: Said) -> None:
    assert topics_with(said.pipeline, CLEAR) == {"task-events", "task-features", "comparisons"}
    assert topics_with(said.pipeline, SECRET) == set()


def test_no_file_shows_it(said: Said) -> None:
    """Snapshots hold the open task's context in clear, if it was; the store holds neither."""
    folder = said.pipeline.folder
    eventually_sync(
        lambda: files_with(folder / "state", CLEAR),
        timeout_s=40,
        what="a snapshot with the open task",
    )
    assert (folder / "store.db").stat().st_size > 0
    assert not files_with(folder, CLEAR) & {"store.db", "store.db-wal", "workers.log"}
    assert files_with(folder, SECRET) == set()


def test_nothing_that_a_worker_tells_shows_it(said: Said) -> None:
    """Metrics, status and readiness of every stage; its log is among the files."""
    for stage in STAGES:
        for path in ("/metrics", "/status", "/readyz"):
            body = said.pipeline.get(stage, path).body.encode()
            assert body
            assert SECRET not in body
            assert CLEAR not in body


def test_the_broker_s_own_files_do_not_show_it(said: Said, kafka: Kafka) -> None:
    if kafka.broker is None:
        pytest.skip("the broker's files are not here")
    folder = kafka.broker.log_file.parent.parent
    prefix = said.pipeline.settings["GNOMON_TOPIC_PREFIX"]
    assert files_with(folder, CLEAR, prefix=prefix)
    assert files_with(folder, SECRET, prefix=prefix) == set()


def test_the_holder_of_the_key_reads_it(said: Said) -> None:
    settings = said.pipeline.settings
    closed = gnomon("vault", "read", "sealed-ended", "--json", **settings)
    opened = gnomon(
        "vault", "read", "sealed-ended", "--json", "--sealing-key", str(said.key), **settings
    )
    word = SECRET.decode()

    assert closed.returncode == opened.returncode == 0, closed.stderr + opened.stderr
    assert word not in closed.stdout + closed.stderr
    assert closed.stderr.count("is sealed for key") == 2
    decision = json.loads(opened.stdout)
    assert decision["context"] == {word: 1, "text": word}
    assert decision["outcome"]["reported"] == {"verdict": word}
    assert decision["outcome"]["code_review_iterations"] == 2


def test_what_is_said_in_clear_is_reported_too(said: Said) -> None:
    read = gnomon("vault", "read", "clear-ended", "--json", **said.pipeline.settings)
    assert json.loads(read.stdout)["outcome"]["reported"] == {"verdict": CLEAR.decode()}

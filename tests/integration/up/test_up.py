"""Tests of ``gnomon up`` as a person runs it: what is killed comes back, and nothing is left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon, processes_of
from tests.support.polling import eventually_sync

from gnomon import Client

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

ANY_PORTS = (
    "--kafka-port", "0", "--gateway-port", "0", "--dashboard-port", "0", "--exporter-port", "0",
)  # fmt: skip
AGENT = "router"


class Running:
    """A running ``gnomon up``: what it has said, and its processes."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process, self._folder = process, folder

    @property
    def said(self) -> str:
        return (self._folder / "up.log").read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first place where ``pattern`` was said; fails when the command has ended."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said
            return re.search(pattern, self.said, re.MULTILINE)

        match = eventually_sync(found, timeout_s=120, what=pattern)
        assert match is not None
        return match

    def kill(self, words: str) -> None:
        """Kill the process whose command line ends with ``words`` or has them, not its guard."""
        found = [
            pid
            for pid, command in processes_of(self._folder).items()
            if words in command and "guard.py" not in command
        ]
        assert len(found) == 1, (words, found)
        os.kill(found[0], signal.SIGKILL)


@contextmanager
def up(folder: Path, *options: str) -> Iterator[Running]:
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "up", *ANY_PORTS, *options],
            env=environ({"GNOMON_DATA_DIR": str(folder / "data"), "GNOMON_MODEL_POLL_S": "1"}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Running(process, folder)
    finally:
        process.kill()
        process.wait()
        for pid in processes_of(folder / "data"):
            os.kill(pid, signal.SIGKILL)


def works(brokers: str, *, tasks: int) -> None:
    """An agent of one's own; what it published is delivered when this returns."""
    client = Client(brokers, agent_id=AGENT)
    for number in range(tasks):
        with client.task("triage", context={"n": number}):
            pass
    assert client.close(60.0) == 0


def status(folder: Path, brokers: str) -> dict[str, Any]:
    done = gnomon("status", "--json", GNOMON_BROKERS=brokers, GNOMON_DATA_DIR=str(folder / "data"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_killed_comes_back_and_the_next_start_goes_on(
    kafka: Kafka, empty_registry: Path, tmp_path: Path
) -> None:
    """The fixture only skips this test where Kafka cannot run: ``up`` starts a broker of its own."""
    assert kafka.brokers
    (tmp_path / "data").mkdir()
    shutil.copy(empty_registry, tmp_path / "data" / "mlflow.db")
    with up(tmp_path) as running:
        brokers = running.wait_for(r"export GNOMON_BROKERS=(\S+)$")[1]
        gateway = running.wait_for(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)")[1]
        running.wait_for(r"^gateway +ready")
        running.wait_for(r"^exporter +ready")
        exporter = running.wait_for(r"(http://127\.0\.0\.1:\d+/metrics)\b")[1]
        works(brokers, tasks=30)
        running.wait_for(r"\b30 matched")

        running.kill("gnomon worker features")
        running.wait_for(r"^features +ready, started again 1 x")
        running.kill("gnomon gateway")
        running.kill("gnomon learn")
        running.wait_for(r"^gateway +ready, started again 1 x")
        running.wait_for(r"^learn +ready, started again 1 x")
        if find_spec("streamlit"):
            running.wait_for(r"^dashboard +ready")
            running.kill("gnomon dashboard")
            running.wait_for(r"^dashboard +ready, started again 1 x")
        running.kill("kafka.Kafka")
        works(brokers, tasks=30)
        running.wait_for(r"^kafka +ready, started again 1 x")
        running.wait_for(r"\b60 matched")
        with urllib.request.urlopen(f"{gateway}/readyz", timeout=10) as response:  # noqa: S310  loopback
            assert response.status == 200
        with urllib.request.urlopen(exporter, timeout=10) as response:  # noqa: S310  loopback
            assert b"\ngnomon_brokers 1.0\n" in response.read()

        trained = gnomon(
            "train", "--min-decisions", "20", GNOMON_BROKERS=brokers,
            GNOMON_DATA_DIR=str(tmp_path / "data"),
        )  # fmt: skip
        assert trained.returncode == 0, trained.stderr
        works(brokers, tasks=10)
        running.wait_for(r"\b70 matched")
        before = eventually_sync(
            lambda: (
                (found := status(tmp_path, brokers))["ledger"]["matched"] == 70
                and not any(stage["lag"] for stage in found["stages"])
                # The metrics come with the next tick; control says nothing of the first task.
                and [each["n"] for each in found["figures"][:1]] == [69]
                and found
            ),
            what="all is read",
        )
        assert isinstance(before, dict)

        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(60) == 0
        assert processes_of(tmp_path / "data") == {}
        assert "Traceback" not in running.said

    with up(tmp_path) as running:
        brokers = running.wait_for(r"export GNOMON_BROKERS=(\S+)$")[1]
        running.wait_for(r"\b70 matched")
        after = status(tmp_path, brokers)
        for part in ("ledger", "models", "figures"):
            assert after[part] == before[part]
        assert [model["version"] for model in after["models"]] == ["1"]
        stored = gnomon("vault", "stats", GNOMON_DATA_DIR=str(tmp_path / "data"))
        assert "decisions  70\n" in stored.stdout

        running.process.kill()

        eventually_sync(
            lambda: not processes_of(tmp_path / "data"), timeout_s=60, what="all have ended"
        )


def test_ctrl_c_while_kafka_starts_leaves_nothing(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    with up(tmp_path) as running:
        running.wait_for(r"^starting Apache Kafka$")

        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(100) == 0
        assert processes_of(tmp_path / "data") == {}
        assert "Traceback" not in running.said

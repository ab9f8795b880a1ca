"""``gnomon worker`` as a process, without a broker: what it says and serves, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.commands import GNOMON, environ, processes_of
from tests.support.polling import eventually_sync

import gnomon

NOBODY = "127.0.0.1:1"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return environ(
        {
            "GNOMON_BROKERS": NOBODY,
            "GNOMON_DATA_DIR": str(tmp_path / "data"),
            "GNOMON_LOG_FORMAT": "json",
        }
    )


@pytest.fixture
def start(settings: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a command; what is left of it is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, *arguments],
            env={**settings, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_it_says_where_it_serves_and_what_it_is(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    """It is supervised, so that it waits for a broker."""
    worker = start("worker", "features", "--supervised", "--host", "0.0.0.0")  # noqa: S104
    assert worker.stdout is not None

    first = json.loads(worker.stdout.readline())

    assert first["event"] == "worker.started"
    assert (first["stage"], first["version"]) == ("features", gnomon.__version__)
    assert first["brokers"] == NOBODY
    host, _, port = first["address"].removeprefix("http://").rpartition(":")
    assert host == "0.0.0.0"  # noqa: S104
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    (build,) = families["gnomon_build_info"].samples
    assert build.labels == {
        "stage": "features", "version": gnomon.__version__, "settings": first["settings"],
    }  # fmt: skip
    assert families["process_cpu_seconds"].samples[0].value > 0
    assert families["process_resident_memory_bytes"].samples[0].value > 1 << 20
    assert families["python_info"].samples[0].labels["implementation"] == "CPython"


def test_an_unknown_variable_is_warned_of(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    worker = start("worker", "features", GNOMON_BROKRS="a:1")
    assert worker.stdout is not None

    line = json.loads(worker.stdout.readline())

    assert (line["level"], line["event"]) == ("warning", "settings.unknown")
    assert "GNOMON_BROKRS" in line["reason"]
    assert "did you mean GNOMON_BROKERS?" in line["reason"]


@pytest.mark.parametrize("stages", [["features"], ["features", "comparison"]])
def test_a_signal_before_it_is_ready_ends_it_with_status_0(
    start: Callable[..., "subprocess.Popen[bytes]"], stages: list[str]
) -> None:
    """As early as it can know of the signal: before it has imported its libraries."""
    worker = start("worker", *stages)
    proc = Path(f"/proc/{worker.pid}")

    def begun() -> bool:
        caught = int((proc / "status").read_text().partition("SigCgt:\t")[2].split()[0], 16)
        catches = caught & 1 << signal.SIGTERM - 1
        return bool(catches) or "aiokafka" in (proc / "maps").read_text()

    eventually_sync(begun, what="it catches the signal, or imports libraries")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0


PARENT = """
import subprocess, sys, time
subprocess.Popen(sys.argv[1:])
time.sleep(600)
"""


def test_it_ends_with_its_parent_if_told_so(settings: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as said:
        parent = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-c", PARENT, *GNOMON, "worker", "features", "vault", "--with-parent"],
            env=settings,
            stdout=said,
            stderr=said,
        )
    mine = tmp_path / "data"
    try:
        eventually_sync(
            lambda: "broker.awaited" in log.read_text(), timeout_s=60, what="a worker waits"
        )
        assert len(processes_of(mine)) >= 3

        parent.kill()
        parent.wait()

        eventually_sync(lambda: not processes_of(mine), timeout_s=30, what="all have ended")
    finally:
        parent.kill()
        parent.wait()
        for pid in processes_of(mine):
            os.kill(pid, signal.SIGKILL)

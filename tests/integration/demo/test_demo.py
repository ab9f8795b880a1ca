"""Tests of ``gnomon demo`` as a person runs it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon, processes_of
from tests.support.polling import eventually_sync

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

SECONDS = 20
"""Longer on a slow machine: the demo waits until its first version predicts."""
LEAST_DECISIONS = 100
"""Low bound: a loaded machine of two cores spends half of the time on the start."""


@contextmanager
def demonstrating(folder: Path, *options: str, seconds: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A running ``gnomon demo``, which is killed at the end if it still runs."""
    with (folder / "stdout").open("wb") as printed, (folder / "stderr").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "demo", "--seconds", str(seconds), *options],
            env=environ({"GNOMON_DATA_DIR": str(folder / "data")}),
            stdout=printed,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in processes_of(folder / "data"):
            os.kill(pid, signal.SIGKILL)


def test_it_ends_with_decisions_a_trained_version_and_a_ledger_that_adds_up(
    kafka: Kafka, tmp_path: Path
) -> None:
    """On a secured broker. The fixture ``kafka`` only skips this test where Kafka cannot run."""
    assert kafka.brokers
    with demonstrating(tmp_path, "--secure", seconds=SECONDS) as process:
        status = process.wait(270)
    printed, said = (tmp_path / "stdout").read_text(), (tmp_path / "stderr").read_text()

    assert status == 0, said
    assert "Traceback" not in printed + said
    ledger = re.search(
        r"ledger: (\d+) predictions = (\d+) matched \+ (\d+) pending \+ (\d+) expired"
        r" \+ (\d+) cancelled",
        printed,
    )
    assert ledger is not None, printed
    predictions, *parts = map(int, ledger.groups())
    assert predictions == sum(parts) > LEAST_DECISIONS
    predicted = [int(n) for n in re.findall(r"^\W*gnomon\W+\d+\W+(\d+)\W", printed, re.MULTILINE)]
    assert predicted, printed
    assert max(predicted) > 0
    stored = re.search(r"^(\d+) decisions, each sealed", printed, re.MULTILINE)
    assert stored is not None, printed
    assert int(stored[1]) >= predictions - parts[1]
    assert "verdict: CONTINUE. Version " in printed
    assert processes_of(tmp_path / "data") == {}
    (data,) = (tmp_path / "data" / "demos").iterdir()
    counted = gnomon("vault", "stats", GNOMON_DATA_DIR=str(data))
    assert f"decisions  {stored[1]}\n" in counted.stdout


def test_ctrl_c_ends_it_and_leaves_no_process(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    with demonstrating(tmp_path, seconds=30) as process:
        eventually_sync(
            lambda: (
                any("gnomon.demo.fleet" in c for c in processes_of(tmp_path / "data").values())
                or process.poll() is not None
            ),
            timeout_s=120,
            what="the fleet at work",
        )
        assert len(processes_of(tmp_path / "data")) >= 7

        process.send_signal(signal.SIGINT)

        assert process.wait(150) == 130
        assert processes_of(tmp_path / "data") == {}
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_a_killed_demo_leaves_no_process(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    with demonstrating(tmp_path, seconds=30) as process:
        eventually_sync(
            lambda: (
                "features is ready" in (tmp_path / "stderr").read_text()
                or process.poll() is not None
            ),
            timeout_s=120,
            what="the workers",
        )

        process.kill()

        eventually_sync(
            lambda: not processes_of(tmp_path / "data"), timeout_s=100, what="all have ended"
        )

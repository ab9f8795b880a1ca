"""Tests of a replay whose workers are stopped, and of one that is stopped itself."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kafka
from tests.integration.replay.recorded import EXAMPLE, TRAIN_EVERY, Replayed, Replaying
from tests.support.commands import processes_of
from tests.support.polling import eventually_sync

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]


def figures(row: dict[str, Any]) -> dict[str, Any]:
    """Round numbers to nine digits after the point."""
    return {
        name: pytest.approx(value, rel=0, abs=1e-9) if isinstance(value, float) else value
        for name, value in row.items()
    }


def without_intervals(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on which corrections had arrived when a task started."""
    return {name: value for name, value in row.items() if name not in {"coverage_80", "intervals"}}


def stop_workers(running: Replaying) -> set[int]:
    """Send SIGTERM to each of the four stages and wait until they have ended; return their ids."""
    eventually_sync(lambda: len(running.workers()) == 4, timeout_s=100, what="four workers")
    stopped = set(running.workers())
    for pid in stopped:
        os.kill(pid, signal.SIGTERM)
    eventually_sync(
        lambda: not stopped & set(running.workers()), timeout_s=100, what="they have ended"
    )
    return stopped


def test_stopped_workers_change_nothing_but_the_time(
    kafka: Kafka, cut: Path, replayed: Replayed, tmp_path: Path
) -> None:
    stopped: set[int] = set()
    with Replaying(tmp_path, cut, train_every=TRAIN_EVERY, brokers=kafka.brokers) as running:
        for moment in ("version -    waiting for decisions", "version 1    publishing"):
            running.until(moment)
            stopped |= stop_workers(running)
        again = running.finished()

    assert set(again.report) == set(replayed.report)
    assert again.report["tasks"] == replayed.report["tasks"]
    assert again.report["ledger"] == replayed.report["ledger"]
    assert [without_intervals(row) for row in again.report["models"]] == [
        figures(without_intervals(row)) for row in replayed.report["models"]
    ]
    shadow = figures(without_intervals(replayed.report["shadow"]))
    assert without_intervals(again.report["shadow"]) == shadow
    log = (again.data / "workers.log").read_text()
    assert len(stopped) == 8
    # The first life of each and the last; the one between may be stopped before it is given any.
    assert log.count("partitions.assigned") >= 8


@pytest.mark.parametrize(
    ("moment", "own_broker"),
    [("starting Apache Kafka", True), ("starting the workers", True), ("version 1 ", False)],
)
def test_ctrl_c_ends_a_replay_and_leaves_no_process(
    kafka: Kafka, tmp_path: Path, moment: str, *, own_broker: bool
) -> None:
    brokers = None if own_broker else kafka.brokers
    with Replaying(tmp_path, EXAMPLE, train_every=50, brokers=brokers) as running:
        running.until(moment)
        assert processes_of(tmp_path / "data") or moment == "starting Apache Kafka"

        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(150) == 130
        # A guard that was being started when the signal came ends by its standard input.
        eventually_sync(
            lambda: not processes_of(tmp_path / "data"), timeout_s=100, what="no process is left"
        )
        assert "Traceback" not in running.said()


def test_a_killed_replay_leaves_no_process(kafka: Kafka, tmp_path: Path) -> None:
    """Workers end when their standard input does; the guard ends the broker."""
    assert kafka.brokers
    with Replaying(tmp_path, EXAMPLE, train_every=0) as running:
        running.until("features is ready")
        assert len(processes_of(tmp_path / "data")) >= 6

        running.process.kill()

        eventually_sync(
            lambda: not processes_of(tmp_path / "data"), timeout_s=100, what="all have ended"
        )

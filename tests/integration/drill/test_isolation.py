"""Tests of a short ``gnomon drill isolation`` as a person runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, processes_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]


def test_it_kills_everything_and_no_request_fails(kafka: Kafka, tmp_path: Path) -> None:
    """The fixture ``kafka`` is used only to skip this test where Kafka cannot run.

    The test does not check the latencies, because other tests run on the machine.
    """
    assert kafka.brokers
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(  # noqa: S603  our own command
        [*GNOMON, "drill", "isolation", "--seconds", "4", "--rate", "100", "--json"],
        env=environ(
            {"GNOMON_DATA_DIR": str(tmp_path / "data"), "TMPDIR": str(tmp_path / "temporary")}
        ),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "data/drills/isolation/report.json").read_bytes())
    assert done.returncode == (0 if report["passed"] else 1)
    assert (report["request_errors"], report["service_errors"]) == (0, 0)
    assert report["requests"] > 0.5 * 4 * 100 * 2
    for phase in ("up", "killed"):
        for quantile in ("p50", "p99"):
            one = report["compared"][phase][quantile]
            assert one["without_ms"] >= 10  # a request waits as long
            assert one["with_ms"] >= 10
    up, end = report["events"]["up"], report["events"]["end"]
    assert 0 < up["delivered"] <= up["accepted"]
    assert end["accepted"] > up["accepted"] + 50
    # After the kill nothing arrives; with a broker there, hardly any would be waiting.
    assert end["buffered"] + end["in_flight"] + end["dropped"] > 150
    assert report["exit_s"] < 5
    assert "killing the broker and every worker" in done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []
    assert processes_of(tmp_path) == {}

"""Tests of a short ``gnomon drill isolation`` as a person runs it."""

from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.drill.running import report_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]


def test_it_kills_everything_and_no_request_fails(kafka: Kafka, tmp_path: Path) -> None:
    """On a secured broker. The fixture ``kafka`` is used only to skip this test where Kafka cannot run.

    The test does not check the latencies, because other tests run on the machine.
    """
    assert kafka.brokers
    report = report_of("isolation", "--seconds", "4", "--rate", "100", "--secure", folder=tmp_path)

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
    assert "killing the broker and every worker" in (tmp_path / "said").read_text()

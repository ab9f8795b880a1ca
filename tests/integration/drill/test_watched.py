"""``gnomon drill dashboards`` and ``alert`` as a person runs them, with real Prometheus and Alertmanager."""

import os
import shutil
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.drill.running import report_of
from tests.support.commands import gnomon

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (apt: prometheus)"
)
needs_alertmanager = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None,
    reason="Alertmanager is not installed (apt: prometheus-alertmanager)",
)


@needs_prometheus
def test_every_panel_has_data_of_real_workers(kafka: Kafka, tmp_path: Path) -> None:
    """``kafka`` is only asked for so that this skips where Kafka cannot run."""
    assert kafka.brokers
    report = report_of("dashboards", folder=tmp_path)

    assert report["empty"] == []
    assert report["queries"] > 80
    assert set(report["exemplars"]) == {
        "gnomon_batch_seconds",
        "gnomon_transaction_seconds",
        "gnomon_stage_latency_seconds",
        "gnomon_prediction_latency_seconds",
        "gnomon_end_to_end_seconds",
    }
    assert min(report["exemplars"].values()) > 0, report["exemplars"]


@needs_prometheus
@needs_alertmanager
def test_a_fault_is_told_in_time_to_whom_the_routes_say(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    faults = ("dead-letter", "frozen-worker") if os.environ.get("LONG") else ("dead-letter",)
    report = report_of(
        "alert", *(word for fault in faults for word in ("--fault", fault)), folder=tmp_path
    )

    receivers = {"dead-letter": "team", "frozen-worker": "on-call"}
    assert [(n["fault"], n["receiver"]) for n in report["notices"]] == [
        (fault, receivers[fault]) for fault in faults
    ]
    assert all(0 < n["notice_s"] <= n["limit_s"] for n in report["notices"])
    assert report["notices"][0]["limit_s"] == 20


@pytest.mark.parametrize(
    ("drill", "missing"), [("alert", "prometheus and alertmanager"), ("dashboards", "prometheus")]
)
def test_without_prometheus_it_says_what_to_install(
    tmp_path: Path, drill: str, missing: str
) -> None:
    done = gnomon("drill", drill, GNOMON_DATA_DIR=str(tmp_path), PATH="/nowhere")

    assert done.returncode == 2
    assert done.stderr == (
        f"gnomon: gnomon drill {drill} needs {missing} on the PATH; on Debian and Ubuntu:"
        " apt-get install prometheus prometheus-alertmanager\n"
    )
    assert not (tmp_path / "drills").exists()

"""The alerts of a real Alertmanager on the page Operations, also those that are silenced or inhibited."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.dashboard.browsing import ROOT, answers
from tests.integration.dashboard.conftest import Look
from tests.integration.dashboard.texts import said
from tests.support.polling import eventually_sync
from tests.support.stores.filled import HOSTILE

from gnomon.broker.probe import free_port
from gnomon.operations.alerts import read_alerts

ALERTMANAGER = shutil.which("prometheus-alertmanager")
pytestmark = pytest.mark.skipif(
    ALERTMANAGER is None, reason="Alertmanager is not installed (apt: prometheus-alertmanager)"
)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """The URL of an Alertmanager with the shipped routes, below a path as behind a proxy."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/alerts"
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  a fixed command
            [
                str(ALERTMANAGER),
                f"--config.file={ROOT / 'deploy' / 'alertmanager' / 'alertmanager.yml'}",
                f"--storage.path={tmp_path / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.route-prefix=/alerts",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "TZ": "UTC"},
        )
    try:
        eventually_sync(lambda: answers(f"{url}/-/ready"), what="Alertmanager answers")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def post(url: str, body: object) -> None:
    request = urllib.request.Request(  # noqa: S310  loopback
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
        assert answer.status == 200


def alert(name: str, severity: str, **labels: str) -> dict[str, Mapping[str, str]]:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is wrong"},
    }


def silence(url: str, name: str) -> None:
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    matcher = {"name": "alertname", "value": name, "isRegex": False, "isEqual": True}
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    about = {"createdBy": "ada", "comment": "known"}
    post(f"{url}/api/v2/silences", {"matchers": [matcher], **times, **about})


def test_what_it_has_is_what_the_page_shows(
    alertmanager: str, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_ALERTMANAGER_URL", alertmanager)
    assert read_alerts(alertmanager) == []
    assert "None. Alertmanager has no alert." in said(look("operations"))
    began_ms = time.time_ns() // 1_000_000
    given = [
        alert("GnomonLag", "warning", stage="vault"),
        alert("GnomonStoreAway", "critical"),
        alert("GnomonDrift", "warning", version=HOSTILE),
    ]
    post(f"{alertmanager}/api/v2/alerts", given)
    silence(alertmanager, "GnomonDrift")

    def silenced() -> bool:
        return [each.silenced for each in read_alerts(alertmanager)] == [False, True, False]

    eventually_sync(silenced, what="one of three is silenced")
    found = read_alerts(alertmanager)
    assert [each.name for each in found] == ["GnomonStoreAway", "GnomonDrift", "GnomonLag"]
    assert [each.severity for each in found] == ["critical", "warning", "warning"]
    assert [each.of for each in found] == ["", f"version {HOSTILE}", "stage vault"]
    assert found[0].summary == "GnomonStoreAway is wrong"
    for each in found:
        assert each.since_ms is not None
        assert began_ms - 1_000 <= each.since_ms <= time.time_ns() // 1_000_000

    monkeypatch.setenv(
        "GNOMON_ALERTMANAGER_URL", f"{alertmanager}/"
    )  # anew: nothing is kept for it
    page = look("operations")
    assert not page.exception
    (shown,) = [each.value for each in page.dataframe if "severity" in each.value]
    assert shown["alert"].tolist() == [each.name for each in found]
    assert shown["silenced"].tolist() == [False, True, False]


def test_what_stands_still_without_a_broker_is_told_to_nobody(alertmanager: str) -> None:
    post(
        f"{alertmanager}/api/v2/alerts",
        [alert("GnomonLag", "warning"), alert("GnomonBrokerAway", "critical")],
    )

    def silenced() -> bool:
        found = {each.name: each.silenced for each in read_alerts(alertmanager)}
        return found == {"GnomonBrokerAway": False, "GnomonLag": True}

    eventually_sync(silenced, what="the broker's alert inhibits the lag's")

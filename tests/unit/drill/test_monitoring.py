"""The drills with Prometheus, as far as they need none."""

import json
import shutil
from pathlib import Path
from typing import get_args

import aiohttp
import msgspec
import pytest

from gnomon.cli.verdicts import watched_drills
from gnomon.drill.child import DrillError
from gnomon.drill.monitoring import alert, programs, shipped
from gnomon.drill.monitoring.alert import AlertReport, Notified
from gnomon.drill.monitoring.configuration import alertmanager_config, prometheus_config
from gnomon.drill.monitoring.dashboards import DashboardsReport
from gnomon.drill.monitoring.panels import queries_of
from gnomon.drill.monitoring.webhook import Webhook
from gnomon.drill.restore import RestoreReport
from gnomon.errors import ConfigurationError
from gnomon.stages.drill_reports import read_drills

ROOT = Path(__file__).parents[3]


def test_the_command_names_the_faults_of_the_drill() -> None:
    assert get_args(alert.Fault) == watched_drills.FAULTS
    assert set(alert.ALERT_OF) == set(watched_drills.FAULTS)


@pytest.mark.parametrize(
    "report",
    [
        AlertReport(drill="alert", at_ms=5, notices=[], passed=True),
        DashboardsReport(
            drill="dashboards", at_ms=5, queries=1, empty=[], exemplars={}, passed=True
        ),
        RestoreReport(
            drill="restore",
            at_ms=5,
            stored=1,
            restored=1,
            opened=1,
            shredded=0,
            took_s=0.1,
            passed=True,
        ),
    ],
    ids=lambda report: report.drill,
)
def test_the_verdict_reads_the_report(
    report: AlertReport | DashboardsReport | RestoreReport, tmp_path: Path
) -> None:
    place = tmp_path / "drills" / report.drill / "report.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(msgspec.json.encode(report))

    (found,) = read_drills((), str(tmp_path))

    assert (found.drill, found.at_ms, found.passed) == (report.drill, 5, True)


def test_the_text_says_who_was_told_and_when_or_that_nobody_was() -> None:
    told = Notified(
        fault="dead-letter", alert="GnomonDeadLetters", receiver="team", notice_s=9.96, limit_s=20.0
    )
    untold = Notified(
        fault="frozen-worker", alert="GnomonWorkerDown", receiver=None, notice_s=None, limit_s=50.0
    )
    lines = alert.lines(AlertReport(drill="alert", at_ms=0, notices=[told, untold], passed=False))

    assert lines[0].endswith("10.0 s until team was told (limit 20 s)")
    assert lines[1].endswith("no notice within 110 s")


def test_prometheus_scrapes_workers_exporter_and_gateway_as_jobs_of_their_own() -> None:
    targets = {"features": "h:1", "shadow-2": "h:2", "exporter": "h:3", "gateway": "h:4"}

    config = json.loads(
        prometheus_config(targets, rules=Path("/r.yml"), alertmanager="h:9", every_s=5.0)
    )

    assert {
        job["job_name"]: [each["labels"]["worker"] for each in job["static_configs"]]
        for job in config["scrape_configs"]
    } == {
        "gnomon-workers": ["features", "shadow-2"],
        "gnomon-exporter": ["exporter"],
        "gnomon-gateway": ["gateway"],
    }
    assert config["global"]["scrape_timeout"] == "2000ms"  # no longer than the interval
    assert config["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["h:9"]}]
    quick = json.loads(prometheus_config({}, rules=Path("/r"), alertmanager=None, every_s=1.0))
    assert (quick["global"]["scrape_timeout"], quick["alerting"]) == ("1000ms", {})


def test_every_receiver_of_the_shipped_routes_is_the_drills() -> None:
    text = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()

    config = alertmanager_config(text, receiver="http://127.0.0.1:5")

    assert config.count("http://127.0.0.1:5/") == text.count("url:") == 3
    assert "9999" not in config.replace("# ", "")


async def test_the_receiver_notes_what_fires_and_for_whom() -> None:
    now_s = iter((1.0, 2.0))
    async with Webhook(clock_s=lambda: next(now_s)) as webhook, aiohttp.ClientSession() as http:
        for receiver in ("team", "on-call"):
            alerts = [
                {"status": "firing", "labels": {"alertname": "A"}},
                {"status": "resolved", "labels": {"alertname": "B"}},
            ]
            async with http.post(f"{webhook.url}/{receiver}", json={"alerts": alerts}) as response:
                assert response.status == 200

    first, later = webhook.first("A", after_s=0.0), webhook.first("A", after_s=1.5)
    assert first is not None
    assert later is not None
    assert (first.receiver, first.at_s, later.receiver) == ("team", 1.0, "on-call")
    assert webhook.first("B", after_s=0.0) is None


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/p" if name == "prometheus" else None)
    with pytest.raises(ConfigurationError, match="needs alertmanager on the PATH"):
        programs.find_programs("prometheus", "alertmanager", drill="alert")
    assert programs.find_programs("prometheus", drill="dashboards") == {"prometheus": "/p"}


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(DrillError, match="deploy/nothing"):
        shipped.shipped("nothing")


async def test_a_program_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = programs.Program(
        ["/bin/sh", "-c", "echo first; echo bad flag >&2; exit 3"],
        ready_url="http://127.0.0.1:9/",
        log=tmp_path / "log",
    )
    with pytest.raises(DrillError, match="sh is not ready: bad flag"):
        async with broken:
            pass


def test_a_query_is_of_every_stage(tmp_path: Path) -> None:
    panels = [
        {"type": "row", "title": "Row"},
        {"title": "P", "targets": [{"expr": 'x{stage=~"$stage"}'}, {"expr": "$stages"}]},
    ]
    (tmp_path / "d.json").write_text(json.dumps({"title": "D", "panels": panels}))

    assert [str(query) for query in queries_of(tmp_path)] == [
        'D / P: x{stage=~".*"}',
        "D / P: $stages",
    ]

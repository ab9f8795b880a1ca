"""Each alert fires on its fault, not before its ``for`` is over, and none fires on healthy series."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.monitoring.promtool import (
    DEPLOY,
    RULES,
    needs_promtool,
    run_promtool,
    steady,
    then,
)
from tests.support.monitoring.recording import extended, metrics_of_rules, recorded

from gnomon.metric_names import METRICS

DAY_S = 86_400.0
FAULT_MIN = 10
"""Minute in which each fault begins; the clock of promtool begins at 0."""
STAGE = '{stage="vault"}'
HEALTHY = {
    'up{job="gnomon-workers",worker="vault",instance="h:9103"}': steady(1),
    f"gnomon_group_lag_records{STAGE}": steady(7),
    f"gnomon_stalls{STAGE}": steady(0),
    'gnomon_records_total{stage="vault",topic="comparisons"}': steady(0, growth=300),
    'gnomon_ledger_tasks_total{partition="0",state="predictions"}': steady(5, growth=10),
    'gnomon_ledger_tasks_total{partition="0",state="matched"}': steady(0, growth=9),
    'gnomon_ledger_tasks_total{partition="0",state="expired"}': steady(0, growth=1),
    'gnomon_ledger_tasks_total{partition="0",state="cancelled"}': steady(2),
    'gnomon_ledger_tasks_total{partition="0",state="late"}': steady(40),
    'gnomon_ledger_pending_tasks{partition="0"}': steady(3),
    "gnomon_predictions_shed_total": steady(0),
    'gnomon_dead_letters_total{stage="vault",reason="invalid"}': steady(0),
    'gnomon_client_events{state="lost"}': steady(3),
    'gnomon_client_events{state="dropped"}': steady(11),
    'gnomon_client_events{state="received"}': steady(0, growth=50),
    f"gnomon_snapshot_failures_total{STAGE}": steady(0),
    "gnomon_broker_up": steady(1),
    'gnomon_topic_leaderless_partitions{topic="task-events"}': steady(0),
    'gnomon_topic_under_replicated_partitions{topic="task-events"}': steady(0),
    "gnomon_store_up": steady(1),
    "gnomon_registry_up": steady(1),
    'gnomon_verdict{model="gnomon",version="7"}': steady(0),
    'gnomon_models_skipped{stage="shadow"}': steady(0),
    'gnomon_feature_drift_level{version="7"}': steady(1),
    "gnomon_vault_key_file_modified_timestamp_seconds": steady(-30 * DAY_S),
    "gnomon_vault_data_key_created_timestamp_seconds": steady(0),
    "gnomon_vault_sealed_total": steady(0, growth=10),
    "gnomon_vault_verification_failed": steady(0),
    'gnomon_certificate_expiry_timestamp_seconds{certificate="client"}': steady(60 * DAY_S),
    'gnomon_drill_timestamp_seconds{drill="alert"}': steady(-3 * DAY_S),
}


@dataclass(frozen=True)
class Fault:
    """Series that are other than healthy from ``FAULT_MIN`` on, and the minutes until the alert fires.

    The alert is silent 75 s before that, or not tested there if ``within_min`` is 1.
    """

    series: dict[str, str]
    within_min: int


def now(name: str, before: float, after: float, *, within_min: int = 1) -> Fault:
    """A series that has another value from then on."""
    return Fault({name: then(before, steady(after), at_min=FAULT_MIN)}, within_min)


def grows(name: str, *, within_min: int = 1) -> Fault:
    """A counter, or a gauge like one, that has grown by 1."""
    return now(name, 0, 1, within_min=within_min)


FAULTS = {
    "GnomonWorkerDown": now(
        'up{job="gnomon-workers",worker="vault",instance="h:9103"}', 1, 0, within_min=1
    ),
    # The rate over two minutes has to become 0 first.
    "GnomonNoProgress": Fault(
        {
            'gnomon_records_total{stage="vault",topic="comparisons"}': then(
                0, steady(12_000), at_min=FAULT_MIN, growth=300
            )
        },
        within_min=4,
    ),
    "GnomonLag": now(f"gnomon_group_lag_records{STAGE}", 7, 20_000, within_min=6),
    "GnomonLedgerDoesNotAddUp": now(
        'gnomon_ledger_pending_tasks{partition="0"}', 3, 2, within_min=2
    ),
    "GnomonPredictionsShed": grows("gnomon_predictions_shed_total"),
    "GnomonDeadLetters": grows('gnomon_dead_letters_total{stage="vault",reason="invalid"}'),
    "GnomonClientLoss": now('gnomon_client_events{state="lost"}', 3, 4),
    "GnomonSnapshotFailing": grows(f"gnomon_snapshot_failures_total{STAGE}"),
    "GnomonBrokerAway": now("gnomon_broker_up", 1, 0, within_min=2),
    "GnomonTopicUnavailable": now(
        'gnomon_topic_leaderless_partitions{topic="task-events"}', 0, 2, within_min=2
    ),
    "GnomonTopicUnderReplicated": now(
        'gnomon_topic_under_replicated_partitions{topic="task-events"}', 0, 2, within_min=11
    ),
    "GnomonStoreAway": now("gnomon_store_up", 1, 0, within_min=2),
    "GnomonRegistryAway": now("gnomon_registry_up", 1, 0, within_min=6),
    "GnomonChallengerHarms": now('gnomon_verdict{model="gnomon",version="7"}', 0, -2),
    "GnomonModelSkipped": now('gnomon_models_skipped{stage="shadow"}', 0, 1, within_min=6),
    "GnomonDrift": now('gnomon_feature_drift_level{version="7"}', 1, 2, within_min=121),
    "GnomonKeyTooOld": now(
        "gnomon_vault_key_file_modified_timestamp_seconds", 0, -366 * DAY_S, within_min=11
    ),
    "GnomonDataKeyTooOld": now(
        "gnomon_vault_data_key_created_timestamp_seconds", 0, -3 * 3_600, within_min=11
    ),
    "GnomonVerificationFailed": grows("gnomon_vault_verification_failed"),
    "GnomonCertificateExpires": now(
        'gnomon_certificate_expiry_timestamp_seconds{certificate="client"}',
        60 * DAY_S,
        13 * DAY_S,
        within_min=11,
    ),
    "GnomonDrillOverdue": now(
        'gnomon_drill_timestamp_seconds{drill="alert"}', 0, -31 * DAY_S, within_min=61
    ),
}


MORE = [
    ("GnomonNoProgress", now(f"gnomon_stalls{STAGE}", 0, 1, within_min=2)),
    ("GnomonClientLoss", now('gnomon_client_events{state="dropped"}', 11, 12)),
    (
        "GnomonCertificateExpires",
        now(
            'gnomon_certificate_expiry_timestamp_seconds{certificate="ca"}',
            60 * DAY_S,
            0,
            within_min=11,
        ),
    ),
]
"""Other faults of an alert."""


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def test_each_alert_has_a_fault() -> None:
    assert {rule["alert"] for rule in ALERTS} == set(FAULTS)


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "fault"),
    [*FAULTS.items(), *MORE],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_it_fires_on_its_fault_and_no_other_does(alert: str, fault: Fault, tmp_path: Path) -> None:
    fires_min = FAULT_MIN + fault.within_min
    expected: dict[float, list[str]] = {FAULT_MIN - 0.5: [], fires_min: [alert]}
    if fault.within_min > 1:
        expected[fires_min - 1.25] = []

    assert run_promtool(tmp_path, HEALTHY | fault.series, expected) == ""


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "series"),
    [
        ("GnomonDeadLetters", 'gnomon_dead_letters_total{stage="vault",reason="empty"}'),
        ("GnomonPredictionsShed", "gnomon_predictions_shed_total"),
        ("GnomonSnapshotFailing", 'gnomon_snapshot_failures_total{stage="shadow"}'),
    ],
)
def test_a_counter_that_is_above_0_when_it_is_first_seen_fires(
    alert: str, series: str, tmp_path: Path
) -> None:
    """The fault came between the start of a worker and the first scrape."""
    first_seen = {series: f"_x{FAULT_MIN * 4} {steady(1)}"}

    assert run_promtool(tmp_path, HEALTHY | first_seen, {9: [], 11: [alert], 40: []}) == ""


@needs_promtool
def test_healthy_series_are_silent_for_an_hour(tmp_path: Path) -> None:
    assert run_promtool(tmp_path, HEALTHY, {minute: [] for minute in range(61)}) == ""


@needs_promtool
def test_an_hour_of_the_recorded_load_is_silent(tmp_path: Path) -> None:
    """The recording is of a pipeline's first minutes, in which features of the hour do move, all the time."""
    series = {name: extended(each, name, minutes=61) for name, each in recorded().items()}

    assert run_promtool(tmp_path, series, {minute: [] for minute in range(61)}) == ""


def test_the_recording_has_every_metric_of_the_rules() -> None:
    """Otherwise an alert is silent for want of data: record again, ``python -m tests.support.monitoring.record``."""
    assert {name.partition("{")[0] for name in recorded()} == metrics_of_rules()


@needs_promtool
def test_a_silent_hour_is_not_silence_for_want_of_data(tmp_path: Path) -> None:
    said = run_promtool(tmp_path, HEALTHY, {30: ["GnomonLag"]})

    assert "FAILED" in said


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_it_says_how_bad_what_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert len(rule["annotations"]["summary"]) > 20
    anchor = rule["alert"].lower()
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{anchor}"
    runbook = (DEPLOY.parent / "docs/operations.md").read_text()
    section = re.search(rf"^### {rule['alert']}\n\n(.*?)(?=^#|\Z)", runbook, re.S | re.M)
    assert section is not None
    assert len(section[1]) > 100


def test_every_metric_of_the_rules_exists() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        for name in re.findall(r"\bgnomon[_:][a-z0-9_:]*", rule["expr"]):
            plain = re.sub(r"_(bucket|count|sum|info)$", "", name)
            assert name in recorded or name in METRICS or plain in METRICS, name


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "--lint-fatal", "rules.yml"), ("check", "config", "prometheus.yml")],
)
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(  # noqa: S603  a fixed command
        ["promtool", *arguments],  # noqa: S607
        cwd=RULES.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not installed (apt: prometheus-alertmanager)"
)
@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_critical_alert_reaches_who_is_on_call_and_no_other_does(rule: dict[str, Any]) -> None:
    severity = rule["labels"]["severity"]
    config = DEPLOY / "alertmanager" / "alertmanager.yml"

    done = subprocess.run(  # noqa: S603  a fixed command
        [
            *("amtool", "config", "routes", "test", f"--config.file={config}"),
            *(f"alertname={rule['alert']}", f"severity={severity}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    receiver = {"critical": "on-call", "warning": "team", "info": "log"}[severity]
    assert (done.returncode, done.stdout.strip()) == (0, receiver)


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(  # noqa: S603  a fixed command
        ["amtool", "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml")],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""Each recording rule gives the figure that it is named after, of series that were counted by hand."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.support.monitoring.promtool import RULES, STEP_S, needs_promtool, steady


def histogram(name: str, *labels: str) -> dict[str, str]:
    """One observation a step, each between 0.5 s and 1 s: the 99th percentile of a bucket is at 99 % of it."""
    of = ",".join(labels)
    return {
        f'{name}_bucket{{le="0.5",{of}}}': steady(0),
        f'{name}_bucket{{le="1.0",{of}}}': steady(0, growth=1),
        f'{name}_bucket{{le="+Inf",{of}}}': steady(0, growth=1),
    }


# By rule: the series, and the samples that it makes of them after ten minutes.
CASES: dict[str, tuple[dict[str, str], dict[str, float]]] = {
    "gnomon:records:rate1m": (
        {
            'gnomon_records_total{stage="vault",topic="a"}': steady(0, growth=30),
            'gnomon_records_total{stage="vault",topic="b"}': steady(0, growth=15),
        },
        {'{stage="vault"}': 45 / STEP_S},
    ),
    "gnomon:lag_records:sum": (
        {
            'gnomon_lag_records{stage="vault",partition="0",worker="old"}': steady(9),
            'gnomon_lag_records{stage="vault",partition="0",worker="new"}': steady(4),
            'gnomon_lag_records{stage="vault",partition="1",worker="new"}': steady(2),
        },
        {'{stage="vault"}': 11},
    ),
    "gnomon:ledger_tasks:max": (
        {
            'gnomon_ledger_tasks_total{partition="0",state="matched",worker="old"}': steady(5),
            'gnomon_ledger_tasks_total{partition="0",state="matched",worker="new"}': steady(6),
        },
        {'{partition="0",state="matched"}': 6},
    ),
    "gnomon:ledger_difference:abs": (
        {
            'gnomon_ledger_tasks_total{partition="0",state="predictions"}': steady(10),
            'gnomon_ledger_tasks_total{partition="1",state="predictions"}': steady(20),
            'gnomon_ledger_tasks_total{partition="0",state="matched"}': steady(7),
            'gnomon_ledger_tasks_total{partition="0",state="expired"}': steady(1),
            'gnomon_ledger_tasks_total{partition="1",state="cancelled"}': steady(2),
            'gnomon_ledger_tasks_total{partition="1",state="late"}': steady(50),
            'gnomon_ledger_pending_tasks{partition="0"}': steady(1),
            'gnomon_ledger_pending_tasks{partition="1"}': steady(15),
        },
        {"{}": 4},
    ),
    "gnomon:batch_seconds:p99": (
        histogram("gnomon_batch_seconds", 'stage="vault"'),
        {'{stage="vault"}': 0.995},
    ),
    "gnomon:transaction_seconds:p99": (
        histogram("gnomon_transaction_seconds", 'stage="vault"'),
        {'{stage="vault"}': 0.995},
    ),
    "gnomon:stage_latency_seconds:p99": (
        histogram("gnomon_stage_latency_seconds", 'stage="vault"'),
        {'{stage="vault"}': 0.995},
    ),
    "gnomon:prediction_latency_seconds:p99": (
        histogram("gnomon_prediction_latency_seconds", 'worker="shadow"'),
        {"{}": 0.995},
    ),
    "gnomon:end_to_end_seconds:p99": (
        histogram("gnomon_end_to_end_seconds", 'worker="comparison"'),
        {"{}": 0.995},
    ),
}


def recording_rules() -> list[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["record"] for group in groups for rule in group["rules"] if "record" in rule]


def test_each_rule_has_a_case() -> None:
    assert sorted(recording_rules()) == sorted(CASES)


@needs_promtool
@pytest.mark.parametrize("rule", CASES)
def test_it_records_what_its_name_says(rule: str, tmp_path: Path) -> None:
    series, samples = CASES[rule]
    expected = [{"labels": labels, "value": value} for labels, value in samples.items()]
    # promtool compares floats by equality.
    check = {"expr": f"round({rule}, 0.001)", "eval_time": "10m", "exp_samples": expected}
    test = {
        "interval": f"{STEP_S}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [check],
    }
    file = tmp_path / "test.json"
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{STEP_S}s",
        "tests": [test],
    }
    file.write_text(json.dumps(content))
    done = subprocess.run(  # noqa: S603  a fixed command
        ["promtool", "test", "rules", str(file)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

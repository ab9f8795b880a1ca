"""``promtool test rules`` on the shipped rules: which alerts fire at which minute of some series."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
STEP_S = 15
"""Between two samples, and between two evaluations."""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)"
)


def steady(value: float, *, growth: float = 0.0, minutes: int = 120) -> str:
    """Values that grow by ``growth`` a step, as promtool writes them."""
    return f"{value}+{growth}x{minutes * 60 // STEP_S}"


def then(before: float, after: str, *, at_min: int, growth: float = 0.0) -> str:
    """Values until a minute, and those of ``after`` from then on."""
    return f"{before}+{growth}x{at_min * 60 // STEP_S - 1} {after}"


def run_promtool(
    folder: Path,
    series: Mapping[str, str],
    expected: Mapping[float, Sequence[str]],
    *,
    rules: Path = RULES,
) -> str:
    """Evaluate the rules; return what promtool has to say against the expected alerts.

    Args:
        folder: For promtool's files.
        series: Values by series.
        expected: Names of all alerts that fire, by minute.
    """
    checks = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{round(minute * 60)}s",
            "exp_samples": [
                {"labels": f'{{alertname="{name}"}}', "value": expected[minute].count(name)}
                for name in sorted(set(expected[minute]))
            ],
        }
        for minute in expected
    ]
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{STEP_S}s",
        "tests": [
            {
                "interval": f"{STEP_S}s",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "promql_expr_test": checks,
            }
        ],
    }
    path = folder / "test.yml"
    path.write_text(json.dumps(test))  # YAML contains JSON
    done = subprocess.run(  # noqa: S603  a fixed command
        ["promtool", "test", "rules", str(path)],  # noqa: S607  of whoever runs the tests
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ("FAILED" not in said), said
    return "" if done.returncode == 0 else said

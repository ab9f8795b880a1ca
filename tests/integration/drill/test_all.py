"""``gnomon drill all`` as a person runs it, and the verdict that reads what it leaves."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon, processes_of
from tests.support.decisions import a_decision

from gnomon import codec
from gnomon.settings import Settings
from gnomon.stages.drill_reports import read_drills
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, create_key_file, seal_decision

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("LONG"), reason="LONG=1 runs it: six drills take six minutes"
    ),
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None,
        reason="Alertmanager is not installed (apt: prometheus-alertmanager)",
    ),
]
READ = {
    "no impact on production": "isolation",
    "security in place": "security",
    "dashboards live": "dashboards",
    "alerting drilled": "alert",
    "rollback drilled": "rollback",
}
"""The lines of the checklist that are about drills."""


def test_the_verdict_reads_what_all_drills_leave(kafka: Kafka, tmp_path: Path) -> None:
    """``kafka`` is only asked for so that this skips where Kafka cannot run."""
    assert kafka.brokers
    data = tmp_path / "data"
    settings = Settings(data_dir=str(data))
    ring_key = create_key_file(data / "kek.key")
    store = DecisionStore(settings.store_url)
    store.create()
    store.upsert([seal_decision(KeyRing(ring_key, store.keys), a_decision(n)) for n in range(3)])
    store.close()

    done = subprocess.run(  # noqa: S603  our own command
        [*GNOMON, "drill", "all", "--seconds", "4"],
        env=environ({"GNOMON_DATA_DIR": str(data)}),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )

    assert "NOT HELD" not in done.stdout, done.stdout + done.stderr
    assert processes_of(data) == {}
    passed = {each.drill: each.passed for each in read_drills((), str(data))}
    assert set(passed) == {*READ.values(), "restore"}
    assert done.returncode == (0 if all(passed.values()) else 1)
    comparisons = tmp_path / "comparisons.jsonl"
    comparisons.write_bytes(b"".join(codec.encode(a_decision(n)) + b"\n" for n in range(50)))
    judged = gnomon(
        *("verdict", "--comparisons", str(comparisons), "--json", str(tmp_path / "out.json")),
        GNOMON_DATA_DIR=str(data),
    )
    assert judged.returncode in {0, 3, 4, 5}, judged.stderr
    checklist = json.loads((tmp_path / "out.json").read_bytes())["models"][0]["checklist"]
    statuses = {item["name"]: item["status"] for item in checklist}
    assert {item: statuses[item] for item in READ} == {
        item: "passed" if passed[drill] else "failed" for item, drill in READ.items()
    }

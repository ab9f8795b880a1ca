"""``gnomon drill rollback`` as a person runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, processes_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_partition_follows_both_ways_and_no_task_is_missed(
    kafka: Kafka, tmp_path: Path
) -> None:
    """``kafka`` is only asked for so that this skips where Kafka cannot run.

    Whether it takes less than 5 s is not asked here: the machine has other tests to run.
    """
    assert kafka.brokers
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(  # noqa: S603  our own command
        [*GNOMON, "drill", "rollback", "--rate", "50", "--json"],
        env=environ(
            {"GNOMON_DATA_DIR": str(tmp_path / "data"), "TMPDIR": str(tmp_path / "temporary")}
        ),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "data/drills/rollback/report.json").read_bytes())
    assert done.returncode == (0 if report["passed"] else 1)
    assert {move: len(found) for move, found in report["switched_s"].items()} == {
        "promote": 4,
        "rollback": 4,
    }
    assert 0 < report["longest_s"] < 60
    assert report["predicted"] == report["tasks"] > 0
    assert list((tmp_path / "temporary").iterdir()) == []
    assert processes_of(tmp_path) == {}

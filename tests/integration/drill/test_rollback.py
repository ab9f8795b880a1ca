"""``gnomon drill rollback`` as a person runs it."""

from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.drill.running import report_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_partition_follows_both_ways_and_no_task_is_missed(
    kafka: Kafka, tmp_path: Path
) -> None:
    """On a secured broker. ``kafka`` is only asked for so that this skips where Kafka cannot run.

    Whether it takes less than 5 s is not asked here: the machine has other tests to run.
    """
    assert kafka.brokers
    report = report_of("rollback", "--rate", "50", "--secure", folder=tmp_path)

    assert {move: len(found) for move, found in report["switched_s"].items()} == {
        "promote": 4,
        "rollback": 4,
    }
    assert 0 < report["longest_s"] < 60
    assert report["predicted"] == report["tasks"] > 0

"""Exactly-once results, verified from outside: real processes, real faults, every output compared."""

from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.faults.run import Options, run


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(420)
async def test_no_record_is_missing_repeated_or_wrong_after_six_faults(
    kafka: Kafka, tmp_path: Path
) -> None:
    if kafka.broker is None:
        pytest.skip("needs a broker of its own to kill")
    report = await run(
        Options(
            seed=3,
            events=12_000,
            faults=6,
            agents=100,
            seconds=25.0,
            folder=tmp_path,
            say=lambda line: None,
            secure=True,
        )
    )
    assert report.input_as_sent
    assert report.drained
    assert len(report.faults) == 6
    assert sum(report.restarts.values()) > 0
    assert (report.missing, report.twice, report.wrong) == (0, 0, 0), report.samples
    assert report.ledger_exact, report.samples

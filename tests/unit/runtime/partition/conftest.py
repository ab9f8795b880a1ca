from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.support.kafka.memory_partition import NumberingStage
from tests.support.kafka.worker_rig import Rig


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Rig]]:
    """Makes a rig; its workers are stopped after the test."""
    monkeypatch.setattr("tests.support.polling._EVERY_S", 0.002)
    made: list[Rig] = []

    def make(*values: bytes, stage: NumberingStage | None = None) -> Rig:
        made.append(Rig(tmp_path / str(len(made)), *values, stage=stage))
        return made[-1]

    yield make
    for each in made:
        for worker in each.workers:
            await worker.stop(within_s=5.0)

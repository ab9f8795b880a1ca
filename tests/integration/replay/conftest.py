"""Fixtures: one undisturbed replay of a part of the recorded runs."""

from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.replay.recorded import TRAIN_EVERY, Replayed, Replaying, write_cut


@pytest.fixture(scope="session")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File with the runs."""
    path = tmp_path_factory.mktemp("cut") / "runs.csv"
    write_cut(path)
    return path


@pytest.fixture(scope="session")
def replayed(kafka: Kafka, cut: Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """The replay of these runs."""
    folder = tmp_path_factory.mktemp("replay")
    with Replaying(folder, cut, train_every=TRAIN_EVERY, brokers=kafka.brokers) as running:
        return running.finished()

"""A registry of its own for a test."""

import shutil
from pathlib import Path

import pytest
from tests.unit.models.runs import runs

from gnomon.models.registry import Registry
from gnomon.models.train import Trained, train


@pytest.fixture
def uri(empty_registry: Path, tmp_path: Path) -> str:
    """An empty registry."""
    return f"sqlite:///{shutil.copy(empty_registry, tmp_path / 'mlflow.db')}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(uri=uri, model_name="gnomon")


@pytest.fixture(scope="session")
def trained() -> Trained:
    """A small model."""
    return train(runs(60))

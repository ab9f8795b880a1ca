"""A registry of its own for a test; MLflow takes seconds to make one, so it is made once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.models.runs import runs

from gnomon.models.registry import Registry
from gnomon.models.train import Trained, train


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry's file."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    path.touch()  # else reading would leave it unmade
    assert Registry(uri=f"sqlite:///{path}", model_name="gnomon").aliases() == {}
    return path


@pytest.fixture
def uri(template: Path, tmp_path: Path) -> str:
    """An empty registry."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(template)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return f"sqlite:///{path}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(uri=uri, model_name="gnomon")


@pytest.fixture(scope="session")
def trained() -> Trained:
    """A small model."""
    return train(runs(60))

"""Versions that must not predict, registered past gnomon: named, left out, and the rest goes on."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import mlflow.sklearn
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LinearRegression
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync
from tests.unit.models.runs import runs

from gnomon import Client
from gnomon.models.registry import Registry
from gnomon.models.train import train

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


def uri_of(pipeline: Pipeline) -> str:
    return f"sqlite:///{pipeline.folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def good(pipeline: Pipeline) -> Iterator[str]:
    """A live version made by gnomon itself."""
    uri = uri_of(pipeline)
    registry = Registry(uri=uri, model_name="gnomon")
    yield registry.register(train(runs(60)), alias="champion", author="test")
    for alias in ("champion", "challenger"):
        MlflowClient(uri, uri).delete_registered_model_alias("gnomon", alias)


def register_by_hand(uri: str, folder: Path, *, form: str, column: str) -> str:
    """What anyone with MLflow can do: store a model and point the alias ``challenger`` at it."""
    frame = pd.DataFrame({column: [1.0, 2.0, 3.0]})
    mlflow.sklearn.save_model(
        LinearRegression().fit(frame, [1.0, 2.0, 3.0]),
        str(folder),
        serialization_format=form,
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", column)]),
            outputs=Schema([ColSpec("double", "duration_s")]),
        ),
        pip_requirements=["scikit-learn"],
    )
    client = MlflowClient(uri, uri)
    tags = {"gnomon.sha256": sha256_of(folder)}
    made = client.create_model_version("gnomon", folder.as_uri(), tags=tags)
    client.set_registered_model_alias("gnomon", "challenger", made.version)
    return str(made.version)


def sha256_of(folder: Path) -> str:
    (file,) = folder.glob("model.*")
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "case",
    [
        ("pickle", "cloudpickle", "agent_avg_execution_time"),
        ("signature", "skops", "price_of_tea"),
    ],
    ids=["pickle", "signature"],
)
def test_it_is_refused_and_named_while_baselines_and_good_versions_predict(
    pipeline: Pipeline, good: str, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    reason, form, column = case
    bad = register_by_hand(uri_of(pipeline), tmp_path / "model", form=form, column=column)

    eventually_sync(
        lambda: pipeline.status("shadow")["refused"].get(bad), what="the refusal in /status"
    )

    shadow = pipeline.status("shadow")
    assert shadow["refused"][bad].startswith(f"{reason}: ")
    assert [(model["name"], model["version"]) for model in shadow["models"]] == [("gnomon", good)]
    task = f"beside {reason}"
    with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="ada") as client:
        with client.task("refactor", task_id=task):
            pass
        assert client.flush(20.0) == 0
    eventually_sync(lambda: task in pipeline.decided(), what="its decision")
    rules = {("control", "0"), ("same-type", "0"), ("type", "0")}
    assert predicted_by(pipeline, task) == rules | {("gnomon", good)}
    metric = f'gnomon_models_refused_total{{reason="{reason}"}} 1.0'
    assert metric in pipeline.get("shadow", "/metrics").body


def predicted_by(pipeline: Pipeline, task: str) -> set[tuple[str, str]]:
    made = map(json.loads, (r.value or b"" for r in pipeline.read("shadow-predictions")))
    return {(p["model"], p["version"]) for p in made if p["task_id"] == task}

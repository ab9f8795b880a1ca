"""Versions registered past gnomon that must not predict, or fail: named, left out, and the rest goes on."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync
from tests.unit.models.runs import runs

from gnomon import Client
from gnomon.cli.main import main
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
    """Register a model of one number that may not predict."""
    frame = pd.DataFrame({column: [1.0, 2.0, 3.0]})
    return register(uri, folder, LinearRegression().fit(frame, [1.0, 2.0, 3.0]), frame, form=form)


def register(
    uri: str, folder: Path, estimator: Any, frame: pd.DataFrame, *, form: str = "skops"
) -> str:
    """What anyone with MLflow can do: store a model and point the alias ``challenger`` at it."""
    kinds = {name: "double" if frame[name].dtype == float else "string" for name in frame}
    mlflow.sklearn.save_model(
        estimator,
        str(folder),
        serialization_format=form,
        skops_trusted_types=["numpy.dtype"],
        signature=ModelSignature(
            inputs=Schema([ColSpec(kind, name) for name, kind in kinds.items()]),
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


def decide(pipeline: Pipeline, client: Client, task: str) -> None:
    """Begin and end a task of an unknown type, and wait for its decision."""
    with client.task("unheard of", task_id=task):
        pass
    assert client.flush(20.0) == 0
    eventually_sync(lambda: task in pipeline.decided(), what="its decision")


def predicted_by(pipeline: Pipeline, task: str) -> set[tuple[str, str]]:
    made = map(json.loads, (r.value or b"" for r in pipeline.read("shadow-predictions")))
    return {(p["model"], p["version"]) for p in made if p["task_id"] == task}


def test_a_version_that_fails_is_skipped_which_is_no_refusal(
    pipeline: Pipeline, good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It knows two task types, one of them that of the check, and raises an error on others."""
    types = pd.DataFrame({"task_type": ["-", "refactor", "-"]})
    encoded = make_pipeline(OneHotEncoder(handle_unknown="error"), LinearRegression())
    bad = register(uri_of(pipeline), tmp_path / "model", encoded.fit(types, [1.0, 2.0, 1.0]), types)

    def live() -> bool:
        return bad in {model["version"] for model in pipeline.status("shadow")["models"]}

    eventually_sync(live, what="it is live")
    tasks = [f"type nobody knows {n}" for n in range(7)]
    with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="cyd") as client:
        for task in tasks:
            decide(pipeline, client, task)

    shadow = pipeline.status("shadow")
    (calls,) = [each for each in shadow["calls"] if each["version"] == bad]
    assert (calls["state"], shadow["refused"]) == ("open", {})
    assert (calls["calls"]["failed"], calls["calls"]["skipped"]) == (5, 2)
    assert calls["last_failure"] == "failed: ValueError"
    rules = {("control", "0"), ("same-type", "0"), ("type", "0")}
    assert predicted_by(pipeline, tasks[0]) == rules | {("gnomon", good), ("gnomon", bad)}
    assert predicted_by(pipeline, tasks[6]) == rules | {("gnomon", good)}
    assert f"version {bad} is skipped" in pipeline.get("shadow", "/readyz").body
    for name, value in pipeline.settings.items():
        monkeypatch.setenv(name, value)
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert f"version {bad} skipped" in said
    assert "5 calls in a row went wrong, the last with ValueError" in said

"""Stores a version: the model's files, and a run with its evaluation."""

import hashlib
import time
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

import mlflow.sklearn
import msgspec
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema

from gnomon.models.artefact import TRUSTED
from gnomon.models.registry.answers import MissingError, answer, without_warnings
from gnomon.models.train import Trained

UNTIL_MS: Final = "until_ms"
"""Parameter of a run: when the last run of the training data ended, epoch milliseconds."""


def save(trained: Trained, folder: Path) -> str:
    """Write the model's files to ``folder`` and return the SHA-256 of the model file."""
    inputs = Schema([ColSpec(kind, name, required=False) for name, kind in trained.columns])
    outputs = Schema([ColSpec("double", name) for name in trained.outputs])
    with without_warnings():
        mlflow.sklearn.save_model(
            trained.estimator,
            str(folder),
            serialization_format="skops",
            skops_trusted_types=sorted(TRUSTED),
            signature=ModelSignature(inputs=inputs, outputs=outputs),
            pip_requirements=[
                f"{package}=={installed(package)}"
                for package in ("gnomon", "numpy", "pandas", "scikit-learn", "skops")
            ],
        )
    return hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()


def note(client: MlflowClient, run: Run, trained: Trained) -> None:
    """Log the evaluation and the training data's extent to ``run``, and end the run."""
    figures = msgspec.to_builtins(trained.evaluation) if trained.evaluation else {}
    at_ms = time.time_ns() // 1_000_000
    metrics = [
        Metric(name, float(value), at_ms, 0) for name, value in figures.items() if value is not None
    ]
    params = [
        Param("learner", trained.learner),
        Param("decisions", str(trained.decisions)),
        Param(UNTIL_MS, str(trained.until_ms)),
    ]
    tags = [RunTag("mlflow.runName", f"{trained.learner} on {trained.decisions} decisions")]
    answer(lambda: client.log_batch(run.info.run_id, metrics=metrics, params=params, tags=tags))
    answer(lambda: client.set_terminated(run.info.run_id))


def metrics_of_run(client: MlflowClient, version: ModelVersion) -> dict[str, float]:
    """Return the metrics logged when ``version`` was trained; none if its run is gone."""
    run_id = version.run_id
    if not run_id:
        return {}
    try:
        return dict(answer(lambda: client.get_run(run_id)).data.metrics)
    except MissingError:
        return {}


def trained_until_ms(client: MlflowClient, version: ModelVersion) -> int | None:
    """Return when the last run of the training data ended; ``None`` if that is not recorded."""
    run_id = version.run_id
    if not run_id:
        return None
    try:
        noted = answer(lambda: client.get_run(run_id)).data.params.get(UNTIL_MS, "")
    except MissingError:
        return None
    return int(noted) if noted.isdecimal() else None


def every_version(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return every version of the model, newest first."""
    found: list[ModelVersion] = []
    search = partial(client.search_model_versions, f"name='{name}'")
    page = answer(search)
    found += page
    while page.token:
        page = answer(partial(search, page_token=page.token))
        found += page
    return sorted(found, key=lambda version: int(version.version), reverse=True)

"""Stores a version: its files, and a run with its evaluation."""

import contextlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from gnomon.errors import RegistryUnavailableError
from gnomon.models.describe import CARD
from gnomon.models.registry.answers import ExistsError, MissingError, answer
from gnomon.models.registry.connection import Connection
from gnomon.models.registry.model_files import save
from gnomon.models.registry.versions import SHA256_TAG
from gnomon.models.train import Trained

UNTIL_MS: Final = "until_ms"
"""Parameter of a run: when the last run of the training data ended, epoch milliseconds."""
_LONGEST_DESCRIPTION: Final = 5_000
"""Most characters of a description that MLflow's database stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A version to store.

    Attributes:
        model_name: Name of the registered model.
        files: Contents of the files to store beside the model, by name.
        tags: Tags of the version and of its run.
    """

    model_name: str
    trained: Trained
    files: Mapping[str, bytes]
    tags: Mapping[str, str]


def prepare(connection: Connection, name: str) -> None:
    """Create the experiment and the registered model ``name``, if they do not exist."""
    connection.experiment()
    _ensure_model(connection.client(), name)


def record(connection: Connection, entry: Entry) -> str:
    """Store a version and return its number.

    Raises:
        RegistryUnavailableError: The registry, the storage of its files or the disk cannot be used for
            now. A run without a version may remain; it is marked as failed.
    """
    client, experiment = connection.client(), connection.experiment()
    with tempfile.TemporaryDirectory() as folder:
        sha256 = answer(lambda: _written(entry, Path(folder)))
        run = answer(lambda: client.create_run(experiment, tags=dict(entry.tags)))
        try:
            answer(lambda: client.log_artifacts(run.info.run_id, folder))
            note(client, run, entry.trained)
        except (MissingError, RegistryUnavailableError) as error:
            with contextlib.suppress(MissingError, RegistryUnavailableError):
                answer(lambda: client.set_terminated(run.info.run_id, "FAILED"))
            raise RegistryUnavailableError(
                f"the version's files cannot be stored: {error}"
            ) from error
    _ensure_model(client, entry.model_name)
    made = answer(
        lambda: client.create_model_version(
            entry.model_name,
            source=f"{run.info.artifact_uri}/model",
            run_id=run.info.run_id,
            tags={SHA256_TAG: sha256, **entry.tags},
            description=entry.files.get(CARD, b"").decode()[:_LONGEST_DESCRIPTION],
        )
    )
    return str(made.version)


def _written(entry: Entry, folder: Path) -> str:
    """Write all files of a version; return the SHA-256 of the model file."""
    for name, content in entry.files.items():
        (folder / name).write_bytes(content)
    return save(entry.trained, folder / "model")


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        answer(lambda: client.get_registered_model(name))
    except MissingError:
        with contextlib.suppress(ExistsError):
            answer(lambda: client.create_registered_model(name))


def note(client: MlflowClient, run: Run, trained: Trained) -> None:
    """Log the evaluation and the training data's extent to ``run``, and end the run."""
    at_ms = time.time_ns() // 1_000_000
    metrics = [Metric(name, value, at_ms, 0) for name, value in _metrics(trained).items()]
    params = [
        Param("learner", trained.learner),
        Param("decisions", str(trained.decisions)),
        Param(UNTIL_MS, str(trained.until_ms)),
    ]
    tags = [RunTag("mlflow.runName", f"{trained.learner} on {trained.decisions} decisions")]
    answer(lambda: client.log_batch(run.info.run_id, metrics=metrics, params=params, tags=tags))
    answer(lambda: client.set_terminated(run.info.run_id))


def _metrics(trained: Trained) -> dict[str, float]:
    """Return the mean of each metric over the origins, and the spread between them as ``<name>_sd``."""
    if trained.evaluation is None:
        return {}
    spread = {f"{name}_sd": value for name, value in trained.evaluation.spread().items()}
    return trained.evaluation.mean() | spread | {"origins": float(len(trained.evaluation.origins))}


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


def file_of(client: MlflowClient, version: ModelVersion, name: str) -> bytes | None:
    """Return the content of a file that was stored beside ``version``; ``None`` if there is none."""
    run_id = version.run_id
    if not run_id:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = answer(lambda: client.download_artifacts(run_id, name, folder))
        except MissingError:
            return None
        return Path(path).read_bytes()


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

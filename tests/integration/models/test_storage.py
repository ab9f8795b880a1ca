"""A registry as in production: MLflow's server, its tables in PostgreSQL, the files of models on S3."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from mlflow.tracking import MlflowClient
from tests.support.commands import environ
from tests.support.servers.mlflow_server import mlflow_server
from tests.support.servers.postgres import new_database, postgres
from tests.support.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server, s3_server
from tests.unit.models.runs import runs

from gnomon.errors import ModelRefusedError, RegistryUnavailableError
from gnomon.models.registry import Registry
from gnomon.models.registry.reading import open_reader
from gnomon.models.registry.server_reading import ServerReader
from gnomon.models.table import to_frame
from gnomon.models.train import Trained
from gnomon.operations.models.patience import patiently
from gnomon.operations.models.switching import ModelSwitch
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.live_models import LiveModels

pytestmark = pytest.mark.timeout(300)

BUCKET = "models"


@dataclass(frozen=True)
class Served:
    """The server's URL, and the two services behind it."""

    url: str
    database: str
    s3: S3Server

    def objects(self) -> set[str]:
        client: Any = boto3.client(
            "s3",
            endpoint_url=self.s3.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )
        return {each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("served")
    with postgres() as server, s3_server() as s3:
        database = new_database(server)
        with mlflow_server(
            backend=database.replace("postgresql://", "postgresql+psycopg://"),
            artifacts=f"s3://{BUCKET}",
            log=folder / "mlflow.log",
            environ={
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_DEFAULT_REGION": "us-east-1",
                "MLFLOW_S3_ENDPOINT_URL": s3.url,
            },
        ) as url:
            yield Served(url, database, s3)


@pytest.fixture
def registry(served: Served) -> Registry:
    return Registry(uri=served.url, model_name="gnomon")


async def test_a_version_is_registered_promoted_and_loaded_by_a_worker(
    served: Served, registry: Registry, trained: Trained, capfd: pytest.CaptureFixture[str]
) -> None:
    version = registry.register(trained, alias=None, author="me", files={"model_card.md": b"# A"})
    switch = ModelSwitch(registry, None, author="me", now_ms=lambda: 0)

    assert switch.promote(version).version == version

    worker = LiveModels(registry, model="gnomon", poll_s=60.0, metrics=Metrics())
    await worker.start()
    (model,) = worker.live
    await worker.stop()
    decisions = runs(20, seed=5)
    expected = trained.estimator.predict(to_frame(decisions, trained.columns))
    assert model.predict(decisions) == list(expected.itertuples(index=False, name=None))
    stored = {Path(key).name for key in served.objects()}
    assert stored >= {"model.skops", "MLmodel", "model_card.md"}
    with psycopg.connect(served.database) as connection:
        rows = connection.execute(
            "SELECT name, version, description FROM model_versions"
        ).fetchall()
    assert rows == [("gnomon", int(version), "# A")]
    assert capfd.readouterr().out == ""  # MLflow's client prints nothing between our lines


def test_what_is_read_of_a_server_without_mlflow_is_what_mlflow_says(
    served: Served, trained: Trained
) -> None:
    mlflow = Registry(uri=served.url, model_name="read")
    first = mlflow.register(
        trained, alias="challenger-b", author="me", files={"a file.json": b"[1]"}
    )
    gone = mlflow.register(trained, alias="challenger", author="me")
    second = mlflow.register(trained, alias="champion", author="me")
    MlflowClient(served.url, served.url).delete_model_version("read", gone)

    reader = open_reader(uri=served.url, model_name="read")

    assert isinstance(reader, ServerReader)
    assert list(reader.versions()) == mlflow.versions()
    assert [each.version for each in reader.versions()] == [second, first]
    assert list(reader.live()) == mlflow.live()
    assert reader.file_of(first, "a file.json") == b"[1]"
    assert reader.file_of(second, "a file.json") is mlflow.file_of(second, "a file.json") is None
    with pytest.raises(ModelRefusedError, match="unknown_version"):
        reader.file_of("99", "a file.json")
    none = open_reader(uri=served.url, model_name="none")
    assert (list(none.versions()), list(none.live())) == ([], [])
    code = "import sys; from gnomon.cli import main; main(['models', 'list']); print(*sys.modules)"
    listed = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code],
        env=environ({"GNOMON_MLFLOW_URI": served.url, "GNOMON_BROKERS": "127.0.0.1:1"}),
        capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    assert "mlflow" not in {name.partition(".")[0] for name in listed.stdout.split()}
    with pytest.raises(RegistryUnavailableError, match="404"):
        ServerReader(f"{served.url}/elsewhere", "read").versions()


def test_storage_that_is_away_for_a_while_is_waited_for(
    served: Served, registry: Registry, trained: Trained
) -> None:
    version = registry.register(trained, alias=None, author="me")
    before = [each.version for each in registry.versions()]
    served.s3.stop()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert [each.version for each in registry.versions()] == before
        if served.s3.process is None:
            served.s3.start()

    with pytest.raises((RegistryUnavailableError, ModelRefusedError)):
        registry.load(version)
    later = patiently(
        lambda: registry.register(trained, alias=None, author="me"), waits_s=[1.0] * 9, sleep=wait
    )

    assert waited
    assert registry.load(later).predict(runs(3)) == registry.load(version).predict(runs(3))

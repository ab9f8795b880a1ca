"""MLflow's registry in a file."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import mlflow.sklearn
import pytest
from mlflow.tracking import MlflowClient
from sklearn.dummy import DummyRegressor
from tests.unit.models.runs import runs

from gnomon.errors import ConfigurationError, ModelRefusedError, RegistryUnavailableError
from gnomon.models.registry import LiveVersion, Registry
from gnomon.models.table import to_frame
from gnomon.models.train import Trained, train
from gnomon.operations.models.switching import ModelSwitch


def switch(registry: Registry) -> ModelSwitch:
    """Moves the registry's aliases alone."""
    return ModelSwitch(registry, None, author="me", now_ms=lambda: 0)


def test_a_version_predicts_after_its_registration_as_before(
    registry: Registry, trained: Trained
) -> None:
    decisions = runs(30, seed=5)

    version = registry.register(trained, author="me")
    model = registry.load(version)

    before = trained.estimator.predict(to_frame(decisions, trained.columns))
    assert model.predict(decisions) == list(before.itertuples(index=False, name=None))
    assert registry.live() == [
        LiveVersion(name="gnomon", version=version, aliases=("challenger",), sha256=model.sha256)
    ]


def test_what_is_listed_of_a_version(registry: Registry, trained: Trained) -> None:
    first = registry.register(trained, author="ada")
    second = registry.register(trained, author="bob")

    newest, oldest = registry.versions()

    assert (newest.version, newest.author, newest.aliases) == (second, "bob", ("challenger",))
    assert (oldest.version, oldest.author, oldest.aliases) == (first, "ada", ())
    assert trained.evaluation is not None
    assert newest.metrics["mae_s"] == trained.evaluation.mean()["mae_s"]
    assert newest.metrics["n_eval"] == 12
    assert len(newest.sha256 or "") == 64


def test_what_is_stored_beside_a_version(registry: Registry, trained: Trained, uri: str) -> None:
    files = {"model_card.md": b"# A card", "importance.csv": b"input\n"}

    version = registry.register(trained, author="ada", files=files, tags={"gnomon.reason": "why"})

    client = MlflowClient(uri, uri)
    found = client.get_model_version("gnomon", version)
    assert found.description == "# A card"
    assert (found.tags["gnomon.reason"], found.tags["gnomon.author"]) == ("why", "ada")
    assert found.run_id is not None
    stored = [each.path for each in client.list_artifacts(found.run_id)]
    assert stored == ["importance.csv", "model", "model_card.md"]
    assert client.get_run(found.run_id).info.status == "FINISHED"


def test_mlflow_itself_can_load_a_version(
    registry: Registry, trained: Trained, uri: str, tmp_path: Path
) -> None:
    registry.register(trained, author="me")
    (folder,) = (path.parent for path in (tmp_path / "mlartifacts").rglob("MLmodel"))

    model = mlflow.models.Model.load(str(folder))

    assert [(c.name, c.type.name) for c in model.signature.inputs] == [
        (name, kind) for name, kind in trained.columns
    ]
    assert [c.name for c in model.signature.outputs] == ["duration_s", "success_probability"]
    found = mlflow.sklearn._load_model_from_local_file(
        str(folder / "model.skops"),
        serialization_format="skops",
        skops_trusted_types=model.flavors["sklearn"]["skops_trusted_types"],
    )
    frame = to_frame(runs(5), trained.columns)
    assert found.predict(frame).equals(trained.estimator.predict(frame))


def test_files_that_cannot_be_stored_for_now_leave_no_version(
    registry: Registry, trained: Trained, uri: str, tmp_path: Path
) -> None:
    (tmp_path / "mlartifacts").write_bytes(b"a file where the folder should be")

    with pytest.raises(RegistryUnavailableError, match="cannot be stored"):
        registry.register(trained, author="me")

    assert registry.versions() == []
    (run,) = MlflowClient(uri, uri).search_runs(["1"])
    assert run.info.status == "FAILED"
    (tmp_path / "mlartifacts").unlink()
    assert registry.load(registry.register(trained, author="me")).version == "1"


def test_champion_and_challengers_are_live_and_nothing_else(
    registry: Registry, trained: Trained
) -> None:
    one, two, three = (registry.register(trained, alias=None, author="me") for _ in range(3))
    assert registry.live() == []

    switch(registry).promote(one, alias="challenger-b")
    switch(registry).promote(two)
    switch(registry).promote(three)
    switch(registry).promote(three, alias="challenger")

    assert [(v.version, v.aliases) for v in registry.live()] == [
        (three, ("champion", "challenger")),
        (one, ("challenger-b",)),
    ]


def test_a_promotion_can_be_rolled_back_once(registry: Registry, trained: Trained) -> None:
    one, two = (registry.register(trained, alias=None, author="me") for _ in range(2))

    assert switch(registry).promote(one).before is None
    assert switch(registry).promote(two).before == one
    assert switch(registry).promote(two).before == two  # again, as after a crash
    assert registry.aliases() == {"champion": two, "previous": one}
    assert switch(registry).rollback().version == one

    assert registry.aliases() == {"champion": one}
    with pytest.raises(ConfigurationError, match="no previous"):
        switch(registry).rollback()


def test_a_version_that_may_not_be_used_is_not_promoted(
    registry: Registry, trained: Trained, uri: str
) -> None:
    version = registry.register(trained, alias=None, author="me")
    MlflowClient(uri, uri).delete_model_version_tag("gnomon", version, "gnomon.sha256")

    with pytest.raises(ModelRefusedError, match="sha256_missing"):
        switch(registry).promote(version)
    with pytest.raises(ModelRefusedError, match="unknown_version"):
        switch(registry).promote("99")

    assert registry.aliases() == {}


def test_a_changed_file_is_refused(registry: Registry, trained: Trained, tmp_path: Path) -> None:
    version = registry.register(trained, author="me")
    (file,) = (tmp_path / "mlartifacts").rglob("model.skops")
    file.write_bytes(file.read_bytes() + b"\0")

    with pytest.raises(ModelRefusedError) as refused:
        registry.load(version)

    assert refused.value.reason == "sha256_mismatch"


def test_a_version_is_found_by_its_file_whatever_its_number(
    registry: Registry, trained: Trained
) -> None:
    other = registry.register(train(runs(40, seed=3)), author="me")
    version = registry.register(trained, author="me")
    sha256 = registry.load(version).sha256

    assert registry.load(other, sha256=sha256).version == version
    assert registry.load("99", sha256=sha256).sha256 == sha256
    with pytest.raises(ModelRefusedError, match="unknown_version"):
        registry.load(version, sha256="0" * 64)


def test_an_alias_on_a_deleted_version_is_not_live(
    registry: Registry, trained: Trained, uri: str
) -> None:
    version = registry.register(trained, author="me")
    MlflowClient(uri, uri).delete_model_version("gnomon", version)

    assert registry.live() == []
    with pytest.raises(ModelRefusedError, match="unknown_version"):
        registry.load(version)


def test_lost_files_are_refused(registry: Registry, trained: Trained, tmp_path: Path) -> None:
    version = registry.register(trained, author="me")
    (tmp_path / "mlartifacts").rename(tmp_path / "elsewhere")

    with pytest.raises(ModelRefusedError) as refused:
        registry.load(version)

    assert refused.value.reason == "files_missing"


@pytest.mark.parametrize("form", ["pickle", "cloudpickle"])
def test_a_version_that_mlflow_pickled_is_refused(
    registry: Registry, uri: str, tmp_path: Path, form: str
) -> None:
    estimator = DummyRegressor().fit([[1.0]], [2.0])
    mlflow.sklearn.save_model(
        estimator, str(tmp_path / "m"), serialization_format=form, pip_requirements=["numpy"]
    )
    client = MlflowClient(uri, uri)
    client.create_registered_model("gnomon")
    source = (tmp_path / "m").as_uri()
    client.create_model_version("gnomon", source, tags={"gnomon.sha256": "0" * 64})

    with pytest.raises(ModelRefusedError) as refused:
        registry.load("1")

    assert refused.value.reason == "pickle"


def test_reading_makes_no_registry(tmp_path: Path) -> None:
    registry = Registry(uri=f"sqlite:///{tmp_path}/none/mlflow.db", model_name="gnomon")

    assert registry.live() == []
    assert registry.versions() == []
    with pytest.raises(ModelRefusedError, match="unknown_version"):
        registry.load("1")
    assert list(tmp_path.iterdir()) == []


def test_files_go_beside_the_database(
    registry: Registry, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    registry.register(trained, author="me")

    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "mlartifacts").is_dir()


def test_no_server_is_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(uri="http://127.0.0.1:1", model_name="gnomon")

    for ask in (
        registry.live,
        registry.versions,
        switch(registry).rollback,
        lambda: registry.load("1"),
    ):
        with pytest.raises(RegistryUnavailableError):
            ask()


def test_a_file_that_is_no_database_is_a_registry_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database, but long enough to be taken for one" * 99)
    registry = Registry(uri=f"sqlite:///{tmp_path}/mlflow.db", model_name="gnomon")

    with pytest.raises(RegistryUnavailableError, match="not a database"):
        registry.live()


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///tmp/mlruns", "gnomon"),
        ("mlruns", "gnomon"),
        ("sqlite:///a.db", "it's"),
        *(("sqlite:///a.db", baseline) for baseline in ("control", "same-type", "type")),
    ],
)
def test_settings_that_make_no_registry(uri: str, name: str) -> None:
    with pytest.raises(ConfigurationError):
        Registry(uri=uri, model_name=name)


def test_another_process_that_writes_holds_nobody_up_for_good(
    registry: Registry, trained: Trained, tmp_path: Path
) -> None:
    version = registry.register(trained, author="me")
    promoted: list[str | None] = []
    promoting = threading.Thread(
        target=lambda: promoted.append(switch(registry).promote(version).before)
    )
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        promoting.start()
        promoting.join(0.5)
        live = registry.live()

        assert promoting.is_alive()  # it waits for the other, and so does the champion
        assert [v.aliases for v in live] == [("challenger",)]
        other.execute("COMMIT")
    promoting.join(60)
    assert promoted == [None]
    assert registry.aliases()["champion"] == version


def test_mlflow_is_quiet() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] == "false"

"""What commands read of a registry without MLflow is what MLflow says."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.support.commands import environ
from tests.unit.models.runs import runs

from gnomon.errors import ConfigurationError, RegistryUnavailableError
from gnomon.models.registry import Registry
from gnomon.models.registry.prepared_tables import dump, migrated, prepared_tables
from gnomon.models.registry.reading import SqliteReader, open_reader
from gnomon.models.registry.source import VersionSource
from gnomon.models.train import Trained

HEAVY = {"mlflow", "sklearn", "pandas", "skops", "scipy"}


def test_versions_and_aliases_are_those_that_mlflow_lists(
    registry: Registry, trained: Trained, uri: str
) -> None:
    registry.register(trained, author="ada")
    second = registry.register(trained, author="bob", alias="challenger-b")
    gone = registry.register(trained, author="eve", alias="champion")
    fourth = registry.register(trained, author="ada")
    registry.point("previous", second)
    registry.point("champion", fourth)
    registry.point("challenger-c", second)
    client = MlflowClient(uri, uri)
    client.delete_model_version("gnomon", gone)
    client.set_registered_model_alias("gnomon", "someones-own", second)
    client.create_registered_model("another")

    reader = open_reader(uri=uri, model_name="gnomon")

    assert isinstance(reader, SqliteReader)
    assert len(reader.versions()) == 3
    assert [*reader.versions()] == registry.versions()
    assert [each.version for each in reader.live()] == [fourth, second]
    assert list(reader.live()) == registry.live()
    for name in ("another", "none"):
        reader, other = open_reader(uri=uri, model_name=name), Registry(uri=uri, model_name=name)
        assert not reader.versions()
        assert not other.versions()
        assert not reader.live()
        assert not other.live()


def test_reading_where_there_is_no_registry_makes_none(tmp_path: Path) -> None:
    reader = open_reader(uri=f"sqlite:///{tmp_path}/mlflow.db", model_name="gnomon")

    assert not reader.live()
    assert not reader.versions()
    assert list(tmp_path.iterdir()) == []


def test_tables_of_another_revision_are_left_to_mlflow(uri: str, tmp_path: Path) -> None:
    path = Path(uri.removeprefix("sqlite:///"))
    other = tmp_path / "other.db"
    shutil.copy(path, other)
    with closing(sqlite3.connect(other)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of-tomorrow'")

    assert isinstance(open_reader(uri=uri, model_name="gnomon"), SqliteReader)
    assert isinstance(open_reader(uri=f"sqlite:///{other}", model_name="gnomon"), Registry)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_text("not a database, but of some length\n" * 100)

    with pytest.raises(RegistryUnavailableError, match=r"m\.db: file is not a database"):
        open_reader(uri=f"sqlite:///{tmp_path}/m.db", model_name="gnomon")


def parts(statements: str) -> list[str]:
    """The lines without their order, which MLflow makes anew in each process."""
    return sorted(line.strip("\t ,") for line in statements.splitlines())


def test_the_prepared_tables_are_those_of_mlflows_migrations(tmp_path: Path) -> None:
    """Fails after another MLflow was installed: ``prepared_tables`` says how to make them again."""
    migrated(tmp_path / "migrated.db")

    prepared = prepared_tables()
    assert prepared is not None
    assert parts(prepared) == parts(dump(tmp_path / "migrated.db"))


def test_tables_for_another_mlflow_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.models.registry.prepared_tables._migrations", lambda: 1)

    assert prepared_tables() is None


@pytest.mark.parametrize(
    "command", [["--help"], ["tail", "--help"], ["status", "--help"], ["models", "list"]]
)
def test_a_command_that_only_looks_imports_nothing_heavy(
    command: list[str], registry: Registry, trained: Trained, uri: str, tmp_path: Path
) -> None:
    registry.register(trained, author="ada")
    code = (
        "import sys; from gnomon.cli import main\n"
        f"try: main({command!r})\n"
        "except SystemExit: pass\n"
        "print('loaded', *sys.modules)"
    )
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code],
        env=environ(
            {
                "GNOMON_BROKERS": "127.0.0.1:1",
                "GNOMON_MLFLOW_URI": uri,
                "GNOMON_DATA_DIR": str(tmp_path),
            }
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    *shown, loaded = done.stdout.splitlines()
    assert shown
    assert {name.partition(".")[0] for name in loaded.split()} & HEAVY == set()


def test_a_worker_without_a_version_imports_neither_mlflow_nor_what_loads_models(
    uri: str, tmp_path: Path
) -> None:
    code = (
        "import sys; from gnomon.models.registry.source import VersionSource\n"
        "from gnomon.settings import Settings; from gnomon.stages.build import build_stage\n"
        "from gnomon.runtime.metrics import Metrics\n"
        f"settings = Settings(mlflow_uri={uri!r}, data_dir={str(tmp_path)!r})\n"
        "build_stage('shadow', settings, Metrics())\n"
        "assert VersionSource(uri=settings.mlflow_uri, model_name='gnomon').live() == []\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"mlflow", "sklearn", "skops"} == set()


def test_a_worker_loads_what_the_registry_loads(
    registry: Registry, trained: Trained, uri: str
) -> None:
    version = registry.register(trained, author="ada")
    source = VersionSource(uri=uri, model_name="gnomon")

    assert list(source.live()) == registry.live()
    assert source.load(version).predict(runs(3)) == registry.load(version).predict(runs(3))


@pytest.mark.parametrize(
    ("uri_given", "name"),
    [("file:///m", "gnomon"), ("sqlite:///m", "control"), ("http://m", "a b")],
)
def test_a_worker_refuses_another_form_before_it_starts(uri_given: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="GNOMON_M"):
        VersionSource(uri=uri_given, model_name=name)

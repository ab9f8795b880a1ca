"""The URI of a registry names a file or a server; any other is refused by the name of its setting."""

import pytest

from gnomon.errors import ConfigurationError
from gnomon.models.registry.reading import open_reader

SECRET = "hunter2"  # noqa: S105  a secret of nothing


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "mlflow.db",
        "sqlite://host",
        "sqlite://host/mlflow.db",
        "sqlite:///",
        "sqlite:///?mode=ro",
        "sqlite:///:memory:",
        "sqlite:///a\0b",
        "http://",
        "https:///path",
        f"http://me:{SECRET}@mlflow:port",
        f"http://me:{SECRET}@[::1",
        f"ftp://me:{SECRET}@mlflow",
        f"postgresql://me:{SECRET}@host/mlflow",
    ],
)
def test_another_uri_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="GNOMON_MLFLOW_URI is neither") as refused:
        open_reader(uri=uri, model_name="gnomon")
    assert SECRET not in str(refused.value)

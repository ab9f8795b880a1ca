"""The connection to a model registry in MLflow, which is made at first use.

The client has its own URIs and uses none of MLflow's global state.
"""

import logging
from typing import Final

from mlflow.tracking import MlflowClient

from gnomon.models.registry.answers import ExistsError, answer, without_warnings
from gnomon.models.registry.sqlite_file import SqliteFile
from gnomon.models.registry.versions import checked_uri

EXPERIMENT: Final = "gnomon"

for _noisy in ("mlflow", "alembic"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)
# This logger writes a traceback for each error that is also raised.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


class Connection:
    """A registry that is connected to at first use; safe in threads.

    Every method raises ``RegistryUnavailableError`` when the registry does not answer.

    Args:
        uri: ``sqlite:///path``, or ``http://…`` of an MLflow server.

    Attributes:
        uri: The same, independent of the working directory.

    Raises:
        ConfigurationError: The URI is of another form.
    """

    def __init__(self, uri: str) -> None:
        checked_uri(uri)
        self._file = SqliteFile.of(uri) if uri.startswith("sqlite:") else None
        self.uri = uri if self._file is None else self._file.uri
        self._connected: MlflowClient | None = None

    def reader(self) -> MlflowClient | None:
        """Return a client, or ``None`` if there is no SQLite file yet: reading does not create one."""
        if self._file is not None and not self._file.exists():
            return None
        return self.client()

    def client(self) -> MlflowClient:
        """Return a client; the tables of an SQLite file are created if they are missing."""
        if self._connected is None:
            if self._file is None:
                self._connected = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            else:
                with self._file.prepared():  # two processes must not make the tables at once
                    self._connected = answer(self._connect)
        return self._connected

    def experiment(self) -> str:
        """Return the id of gnomon's experiment, which is created if it is missing."""
        client = self.client()
        found = answer(lambda: client.get_experiment_by_name(EXPERIMENT))
        if found is not None:
            return str(found.experiment_id)
        artifacts = None if self._file is None else self._file.artifacts
        try:
            return str(answer(lambda: client.create_experiment(EXPERIMENT, artifacts)))
        except ExistsError:  # another process was faster
            return self.experiment()

    def _connect(self) -> MlflowClient:
        with without_warnings():
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_registered_models(max_results=1)
        return client

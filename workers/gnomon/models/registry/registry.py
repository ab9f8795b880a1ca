"""Registers model versions in MLflow, lists the live ones, and loads them with checks.

Versions with the aliases ``champion``, ``challenger`` and ``challenger-<anything>`` are live; a rollback
returns to the version with the alias ``previous``. The intents on the control topic define the aliases;
these follow them.
"""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from gnomon.errors import ModelRefusedError
from gnomon.models.artefact import open_model
from gnomon.models.intents import CHALLENGER, CHAMPION, is_live
from gnomon.models.predictor import LoadedModel
from gnomon.models.registry.answers import MissingError, answer
from gnomon.models.registry.connection import Connection
from gnomon.models.registry.recording import (
    Entry,
    every_version,
    file_of,
    metrics_of_run,
    prepare,
    record,
    trained_until_ms,
)
from gnomon.models.registry.versions import (
    AUTHOR_TAG,
    SHA256_TAG,
    LiveVersion,
    VersionInfo,
    checked_name,
)
from gnomon.models.train import Trained


class Registry:
    """One registered model and its versions. Connects at first use; safe in threads.

    Every method raises ``RegistryUnavailableError`` when the registry does not answer.

    Args:
        uri: ``sqlite:///path``, or ``http://…`` of an MLflow server. The folder ``mlartifacts`` beside
            an SQLite file contains the files of its models.
        model_name: Name of the registered model.

    Raises:
        ConfigurationError: The URI or the name is of another form.
    """

    def __init__(self, *, uri: str, model_name: str) -> None:
        self.name = checked_name(model_name)
        self._connection = Connection(uri)

    def prepare(self) -> None:
        """Create what the first registration needs: tables and an experiment, which takes seconds."""
        prepare(self._connection, self.name)

    def register(
        self,
        trained: Trained,
        *,
        alias: str | None = CHALLENGER,
        author: str,
        files: Mapping[str, bytes] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Store ``trained`` as a new version, with its evaluation, and point ``alias`` at it.

        A repeat after an error is safe: it makes a version of its own.

        Args:
            trained: The model.
            alias: The alias to move without a check; ``None`` for no alias.
            author: Name of the user who registers it.
            files: Contents of files to store beside the model, by name.
            tags: Further tags of the version.

        Returns:
            The number of the version in the registry.
        """
        version = record(
            self._connection,
            Entry(
                model_name=self.name,
                trained=trained,
                files=files or {},
                tags={AUTHOR_TAG: author, **(tags or {})},
            ),
        )
        if alias is not None:
            self.point(alias, version)
        return version

    def live(self) -> list[LiveVersion]:
        """Return versions that should predict: the champion first, then challengers by alias."""
        client = self._connection.reader()
        if client is None:
            return []
        by_version: dict[str, list[str]] = {}
        aliased = self.aliases().items()
        for alias, version in sorted(aliased, key=lambda pair: (pair[0] != CHAMPION, pair[0])):
            if is_live(alias):
                by_version.setdefault(version, []).append(alias)
        found = []
        for version, aliases in by_version.items():
            try:
                sha256 = self._version(client, version).tags.get(SHA256_TAG)
            except ModelRefusedError:  # deleted since the aliases were read
                continue
            found.append(
                LiveVersion(name=self.name, version=version, aliases=tuple(aliases), sha256=sha256)
            )
        return found

    def versions(self) -> list[VersionInfo]:
        """Return every version, newest first."""
        client = self._connection.reader()
        if client is None:
            return []
        aliases = self.aliases()
        return [
            VersionInfo(
                name=self.name,
                version=str(found.version),
                aliases=tuple(sorted(a for a, v in aliases.items() if v == str(found.version))),
                sha256=found.tags.get(SHA256_TAG),
                author=found.tags.get(AUTHOR_TAG),
                created_at_ms=found.creation_timestamp,
                metrics=metrics_of_run(client, found),
            )
            for found in every_version(client, self.name)
        ]

    def aliases(self) -> Mapping[str, str]:
        """Return the version at which each alias points."""
        client = self._connection.reader()
        if client is None:
            return {}
        try:
            model = answer(lambda: client.get_registered_model(self.name))
        except MissingError:
            return {}
        return {alias: str(version) for alias, version in model.aliases.items()}

    def load(self, version: str, *, sha256: str | None = None) -> LoadedModel:
        """Check one version and load it into memory.

        Args:
            version: Number of the version.
            sha256: SHA-256 of the wanted model file. If the version has another file, the version with
                this file is loaded: a registry that was created again numbers versions anew.

        Raises:
            ModelRefusedError: The version may not be used: ``unknown_version``, ``files_missing``, or
                a reason of ``artefact.open_model``.
        """
        client = self._connection.reader()
        if client is None:
            raise ModelRefusedError("unknown_version", f"{self.name} has no version {version!r}")
        number = self.version_of(version, sha256)
        expected = sha256 or self._version(client, number).tags.get(SHA256_TAG)
        with tempfile.TemporaryDirectory() as folder:
            try:
                source = answer(lambda: client.get_model_version_download_uri(self.name, number))
                files = answer(
                    lambda: download_artifacts(
                        artifact_uri=source, dst_path=folder, tracking_uri=self._connection.uri
                    )
                )
            except MissingError as error:
                raise ModelRefusedError("files_missing", str(error)) from error
            return open_model(Path(files), name=self.name, version=number, sha256=expected)

    def trained_until_ms(self, version: str) -> int | None:
        """Return when the last run of a version's training data ended, epoch milliseconds, if known.

        Raises:
            ModelRefusedError: ``unknown_version``.
        """
        client = self._connection.client()
        return trained_until_ms(client, self._version(client, version))

    def newest(self) -> str | None:
        """Return the version that was registered last; ``None`` if there is none."""
        client = self._connection.reader()
        found = [] if client is None else every_version(client, self.name)
        return str(found[0].version) if found else None

    def file_of(self, version: str, name: str) -> bytes | None:
        """Return the content of a file that was stored beside a version; ``None`` if it has none.

        Raises:
            ModelRefusedError: ``unknown_version``.
        """
        client = self._connection.client()
        return file_of(client, self._version(client, version), name)

    def version_of(self, version: str, sha256: str | None) -> str:
        """Return the number of the version whose model file has ``sha256``.

        Args:
            version: Number of the version at its registration; it is tried first.
            sha256: SHA-256 of the model file; with ``None`` the number alone counts.

        Raises:
            ModelRefusedError: ``unknown_version``: the registry has no such version.
        """
        client = self._connection.client()
        if sha256 is None:
            return str(self._version(client, version).version)
        try:
            if self._version(client, version).tags.get(SHA256_TAG) == sha256:
                return version
        except ModelRefusedError:
            pass  # deleted, or numbered anew
        for found in every_version(client, self.name):
            if found.tags.get(SHA256_TAG) == sha256:
                return str(found.version)
        raise ModelRefusedError(
            "unknown_version", f"{self.name} has no version {version!r} with SHA-256 {sha256}"
        )

    def point(self, alias: str, version: str) -> None:
        """Point ``alias`` at ``version``; ``ModelSwitch`` checks it, and writes the intent first.

        Raises:
            ModelRefusedError: ``unknown_version``.
        """
        client = self._connection.client()
        try:
            answer(lambda: client.set_registered_model_alias(self.name, alias, version))
        except MissingError as error:
            raise ModelRefusedError("unknown_version", str(error)) from error

    def remove_alias(self, alias: str) -> None:
        """Remove ``alias``, if it exists."""
        client = self._connection.client()
        with contextlib.suppress(MissingError):
            answer(lambda: client.delete_registered_model_alias(self.name, alias))

    def _version(self, client: MlflowClient, version: str) -> ModelVersion:
        try:
            return answer(lambda: client.get_model_version(self.name, version))
        except MissingError as error:
            detail = f"{self.name} has no version {version!r}"
            raise ModelRefusedError("unknown_version", detail) from error

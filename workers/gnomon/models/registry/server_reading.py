"""Reads versions of an MLflow server by its REST interface, without MLflow, whose import takes seconds.

https://mlflow.org/docs/latest/api_reference/rest-api.html has the requests and answers.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import urlopen

from gnomon.errors import ModelRefusedError, RegistryUnavailableError
from gnomon.models.intents import CHAMPION, is_live
from gnomon.models.registry.versions import AUTHOR_TAG, SHA256_TAG, LiveVersion, VersionInfo

TIMEOUT_S: Final = 10.0
PAGE: Final = 1000
_API: Final = "/api/2.0/mlflow"
_FILES: Final = "/api/2.0/mlflow-artifacts/artifacts"
_PLAIN: Final = frozenset({"MLFLOW_TRACKING_URI"})
_NOT_FOUND: Final = 404


def can_read(uri: str, environ: Mapping[str, str], *, home: Path | None = None) -> bool:
    """Return whether a server can be asked without MLflow: nothing says how to log in to it."""
    address = urlsplit(uri)
    special = {
        name
        for name in environ
        if name.startswith(("MLFLOW_TRACKING_", "MLFLOW_WORKSPACE", "DATABRICKS_"))
    }
    credentials = (home or Path.home()) / ".mlflow" / "credentials"
    return (
        address.scheme in {"http", "https"}
        and address.username is None
        and not special - _PLAIN
        and not credentials.exists()
    )


class ServerReader:
    """Reads one registered model of a server; see ``RegistryReader``.

    Every method raises ``RegistryUnavailableError`` when the server does not answer, or refuses.
    """

    def __init__(self, uri: str, name: str) -> None:
        self._uri, self.name = uri.rstrip("/"), name

    def live(self) -> Sequence[LiveVersion]:
        """Return versions that should predict: the champion first, then challengers by alias."""
        by_version: dict[str, list[str]] = {}
        for alias, version in sorted(
            self._aliases().items(), key=lambda pair: (pair[0] != CHAMPION, pair[0])
        ):
            if is_live(alias):
                by_version.setdefault(version, []).append(alias)
        found = []
        for version, aliases in by_version.items():
            answer = self._version(version)
            if answer is not None:
                sha256 = _tags(answer).get(SHA256_TAG)
                found.append(
                    LiveVersion(
                        name=self.name, version=version, aliases=tuple(aliases), sha256=sha256
                    )
                )
        return found

    def versions(self) -> Sequence[VersionInfo]:
        """Return every version, newest first."""
        aliases = self._aliases()
        return [
            VersionInfo(
                name=self.name,
                version=str(answer["version"]),
                aliases=tuple(sorted(a for a, v in aliases.items() if v == str(answer["version"]))),
                sha256=_tags(answer).get(SHA256_TAG),
                author=_tags(answer).get(AUTHOR_TAG),
                created_at_ms=int(answer["creation_timestamp"]),
                metrics=self._metrics(answer.get("run_id")),
            )
            for answer in sorted(
                self._every(), key=lambda answer: int(answer["version"]), reverse=True
            )
        ]

    def file_of(self, version: str, name: str) -> bytes | None:
        """Return the content of a file that was stored beside a version; ``None`` if it has none.

        Files that the server does not pass on are read by MLflow.

        Raises:
            ModelRefusedError: ``unknown_version``.
        """
        answer = self._version(version)
        if answer is None:
            raise ModelRefusedError("unknown_version", f"{self.name} has no version {version!r}")
        run = self._run(answer.get("run_id"))
        if run is None:
            return None
        place = urlsplit(str(run["info"].get("artifact_uri", "")))
        if place.scheme != "mlflow-artifacts" or place.netloc:
            from gnomon.models.registry.registry import Registry  # noqa: PLC0415  imports MLflow

            return Registry(uri=self._uri, model_name=self.name).file_of(version, name)
        # A file that is missing is an error of the storage behind the server, not a 404.
        listed = self._ask("artifacts/list", run_id=run["info"]["run_id"])
        if name not in {each["path"] for each in (listed or {}).get("files", [])}:
            return None
        return self._read(f"{_FILES}/{quote(place.path.strip('/'))}/{quote(name)}")

    def _aliases(self) -> Mapping[str, str]:
        answer = self._ask("registered-models/get", name=self.name)
        found = [] if answer is None else answer["registered_model"].get("aliases", [])
        return {each["alias"]: str(each["version"]) for each in found}

    def _version(self, version: str) -> Mapping[str, Any] | None:
        answer = self._ask("model-versions/get", name=self.name, version=version)
        found: Mapping[str, Any] | None = None if answer is None else answer["model_version"]
        return found

    def _every(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        token = ""
        while True:
            more = {"page_token": token} if token else {}
            answer = self._ask(
                "model-versions/search", filter=f"name='{self.name}'", max_results=PAGE, **more
            )
            found += [] if answer is None else answer.get("model_versions", [])
            token = "" if answer is None else answer.get("next_page_token", "")
            if not token:
                return found

    def _metrics(self, run_id: str | None) -> dict[str, float]:
        run = self._run(run_id)
        found = [] if run is None else run["data"].get("metrics", [])
        return {each["key"]: float(each["value"]) for each in found}

    def _run(self, run_id: str | None) -> Mapping[str, Any] | None:
        answer = self._ask("runs/get", run_id=run_id) if run_id else None
        found: Mapping[str, Any] | None = None if answer is None else answer["run"]
        return found

    def _ask(self, what: str, **query: str | int) -> Mapping[str, Any] | None:
        """Return the answer to a request, ``None`` if what it names does not exist."""
        content = self._read(f"{_API}/{what}?{urlencode(query)}")
        if content is None:
            return None
        try:
            answer: Mapping[str, Any] = json.loads(content)
        except ValueError as error:
            raise RegistryUnavailableError(f"{self._uri} does not answer as MLflow does") from error
        return answer

    def _read(self, path: str) -> bytes | None:
        try:
            with urlopen(f"{self._uri}{path}", timeout=TIMEOUT_S) as answer:  # noqa: S310  see can_read
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            with error:
                if error.code == _NOT_FOUND and _is_mlflows(error.read()):
                    return None
            raise RegistryUnavailableError(
                f"{self._uri} answers {error.code} {error.reason}"
            ) from error
        except (OSError, ValueError) as error:
            raise RegistryUnavailableError(f"{self._uri}: {error}") from error


def server_reader(uri: str, name: str) -> ServerReader | None:
    """Return what reads the server at ``uri``, or ``None`` if only MLflow can."""
    return ServerReader(uri, name) if can_read(uri, os.environ) else None


def _is_mlflows(answer: bytes) -> bool:
    """Return whether a server said itself that something does not exist, not one before it."""
    return b"RESOURCE_DOES_NOT_EXIST" in answer or b"NOT_FOUND" in answer


def _tags(answer: Mapping[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in answer.get("tags", [])}

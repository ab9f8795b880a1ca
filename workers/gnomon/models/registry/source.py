"""Gives the live versions to a worker, and imports MLflow only when one is loaded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gnomon.models.registry.reading import open_reader
from gnomon.models.registry.versions import LiveVersion, checked_name, checked_uri

if TYPE_CHECKING:
    from gnomon.models.predictor import LoadedModel
    from gnomon.models.registry.registry import Registry


class VersionSource:
    """One registered model. A worker without a version starts seconds sooner than with a ``Registry``.

    Args:
        uri: ``sqlite:///path``, or ``http://…`` of an MLflow server.
        model_name: Name of the registered model.

    Raises:
        ConfigurationError: The URI or the name is of another form.
    """

    def __init__(self, *, uri: str, model_name: str) -> None:
        checked_uri(uri)
        self.name = checked_name(model_name)
        self._uri = uri
        self._registry: Registry | None = None

    def live(self) -> Sequence[LiveVersion]:
        """Return versions that should predict: the champion first, then challengers by alias.

        Raises:
            RegistryUnavailableError: The registry does not answer.
        """
        return open_reader(uri=self._uri, model_name=self.name).live()

    def load(self, version: str, *, sha256: str | None = None) -> "LoadedModel":
        """Check one version and load it into memory; see ``Registry.load``.

        Raises:
            ModelRefusedError: The version may not be used.
            RegistryUnavailableError: The registry does not answer.
        """
        if self._registry is None:
            from gnomon.models.registry.registry import Registry  # noqa: PLC0415  imports MLflow

            self._registry = Registry(uri=self._uri, model_name=self.name)
        return self._registry.load(version, sha256=sha256)

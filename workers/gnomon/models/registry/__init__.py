"""Keeps the model registry in MLflow; this is the only package that imports mlflow, and only when it is needed."""

from typing import TYPE_CHECKING, Any

from gnomon.models.registry.versions import REASON_TAG, LiveVersion, VersionInfo

if TYPE_CHECKING:
    from gnomon.models.registry.registry import Registry

__all__ = ["REASON_TAG", "LiveVersion", "Registry", "VersionInfo"]


def __getattr__(name: str) -> Any:
    """Import MLflow, which takes seconds, when the registry itself is used."""
    if name != "Registry":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gnomon.models.registry.registry import Registry  # noqa: PLC0415

    return Registry

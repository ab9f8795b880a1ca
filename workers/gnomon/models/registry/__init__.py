"""The model registry in MLflow; the only package that imports mlflow."""

from gnomon.models.registry.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    LiveVersion,
    Registry,
    VersionInfo,
)

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "LiveVersion", "Registry", "VersionInfo"]

"""Keeps the model registry in MLflow; this is the only package that imports mlflow."""

from gnomon.models.registry.registry import Registry
from gnomon.models.registry.versions import REASON_TAG, LiveVersion, VersionInfo

__all__ = ["REASON_TAG", "LiveVersion", "Registry", "VersionInfo"]

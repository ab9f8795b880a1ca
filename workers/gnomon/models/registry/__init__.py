"""Keeps the model registry in MLflow; this is the only package that imports mlflow."""

from gnomon.models.registry.registry import LiveVersion, Registry, VersionInfo

__all__ = ["LiveVersion", "Registry", "VersionInfo"]

"""Describes registered versions, and names the tags that gnomon gives them."""

from typing import Final

import msgspec

SHA256_TAG: Final = "gnomon.sha256"
"""SHA-256 of the model file, by which a version is identified."""
AUTHOR_TAG: Final = "gnomon.author"
REASON_TAG: Final = "gnomon.reason"
"""Why the version was trained."""
FEATURES_FILE: Final = "feature_distributions.json"
"""A ``drift.FeatureReference`` of each feature by name: its distribution in the training runs."""


class LiveVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that should predict."""

    name: str
    version: str
    aliases: tuple[str, ...]
    sha256: str | None


class VersionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version, with the metrics stored when it was trained."""

    name: str
    version: str
    aliases: tuple[str, ...]
    sha256: str | None
    author: str | None
    created_at_ms: int
    metrics: dict[str, float]

"""Describes registered versions, and names the tags that gnomon gives them."""

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gnomon.errors import ConfigurationError

BASELINES: Final = frozenset({"control", "same-type", "type"})
"""Names that predictions of baselines carry, so no registered model may have one of them."""

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


def checked_name(model_name: str) -> str:
    """Return the name of a registered model.

    Raises:
        ConfigurationError: It is that of a baseline, or has other characters than a name may have.
    """
    if not re.fullmatch(r"[\w.-]{1,200}", model_name):
        raise ConfigurationError(f"GNOMON_MODEL_NAME {model_name!r}: letters, digits, _ . -")
    if model_name in BASELINES:
        raise ConfigurationError(f"GNOMON_MODEL_NAME {model_name!r} is the name of a baseline")
    return model_name


def checked_uri(uri: str) -> str:
    """Return the URI of a registry.

    Raises:
        ConfigurationError: It names neither a file nor a server; the message does not have it, because a
            password may be in it.
    """
    try:
        address = urlsplit(uri)
        server = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        server = False
    file = uri.removeprefix("sqlite:///").partition("?")[0]
    if not server and (file in {"", uri, ":memory:"} or "\0" in file):
        raise ConfigurationError(
            "GNOMON_MLFLOW_URI is neither sqlite:///path nor http(s)://host:port"
        )
    return uri

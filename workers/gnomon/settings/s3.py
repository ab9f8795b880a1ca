"""Where S3-compatible storage is, by the variables that AWS's own tools read."""

import os
from collections.abc import Mapping
from typing import NamedTuple, Self


class S3Storage(NamedTuple):
    """Where exports go. Keys are not here: the client library finds them itself.

    Attributes:
        endpoint: URL of the storage; ``None`` is Amazon S3.
        region: Its region.
    """

    endpoint: str | None
    region: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read ``AWS_ENDPOINT_URL``, ``AWS_REGION`` and ``AWS_DEFAULT_REGION``."""
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return cls(environ.get("AWS_ENDPOINT_URL") or None, region)

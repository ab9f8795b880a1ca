"""Which model versions are wanted live."""

from typing import Literal

import msgspec

from gnomon.events.kinds import EpochMs


class ModelIntent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_intent.v1"
):
    """An alias of a model shall point at a version. The log of these is the truth, not the registry.

    ``sha256`` is that of the model's file: the version's number alone may mean another model in a
    registry that was made again.
    """

    model: str
    alias: str
    version: str
    at_ms: EpochMs
    author: str
    action: Literal["register", "promote", "rollback"]
    sha256: str | None = None

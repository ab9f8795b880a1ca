"""Which model versions are wanted live."""

from typing import Literal

import msgspec

from gnomon.events.field_types import EpochMs


class ModelIntent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_intent.v1"
):
    """Somebody wants an alias of a model to point at a version. The log of these is the truth."""

    model: str
    alias: str
    version: str
    at_ms: EpochMs
    author: str
    action: Literal["register", "promote", "rollback"]

"""Requests to make a model version live."""

from typing import Literal

import msgspec

from gnomon.events.field_types import EpochMs


class ModelIntent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_intent.v1"
):
    """A request that an alias of a model point at a version. The log of requests is authoritative."""

    model: str
    alias: str
    version: str
    at_ms: EpochMs
    author: str
    action: Literal["register", "promote", "rollback"]

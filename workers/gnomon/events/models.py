"""Requests to make a model version live, and records of since when it predicts."""

from typing import Literal

import msgspec

from gnomon.events.field_types import Count, EpochMs


class ModelIntent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_intent.v1"
):
    """A request that an alias of a model point at a version. The log of requests is authoritative.

    ``sha256`` is the checksum of the model file: in a registry that was made again, the same
    version number may be another model.
    """

    model: str
    alias: str
    version: str
    at_ms: EpochMs
    author: str
    action: Literal["register", "promote", "rollback"]
    sha256: str | None = None


class SwitchedModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version that predicts."""

    model: str
    version: str
    sha256: str | None = None


class AbsentModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version that should predict and does not.

    ``state``: ``refused`` if it may not be used, ``waiting`` if it cannot be loaded for now,
    ``skipped`` if its calls went wrong again and again, so that it is not called for a while.
    """

    model: str
    version: str
    state: Literal["refused", "waiting", "skipped"]
    reason: str
    sha256: str | None = None


class ModelSwitched(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_switched.v1"
):
    """Exactly these versions predict from ``offset`` of one partition of task-features on.

    The worker of the partition writes it in one transaction with the first predictions of these
    versions. A worker that takes over a partition writes it again. A version may still miss the
    predictions of a batch in which it failed. ``absent`` has the versions that should predict and
    do not.
    """

    partition: Count
    offset: Count
    at_ms: EpochMs
    models: list[SwitchedModel]
    absent: list[AbsentModel] = []

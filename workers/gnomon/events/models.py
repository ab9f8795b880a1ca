"""Which model versions are wanted live, and since when they are."""

from typing import Literal

import msgspec

from gnomon.events.kinds import Count, EpochMs


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


class SwitchedModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version that predicts."""

    model: str
    version: str
    sha256: str | None = None


class ModelSwitched(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_switched.v1"
):
    """From ``offset`` of a partition of task-features on, exactly these versions predict.

    It is written in one transaction with the first predictions that they made there, by the worker
    that has the partition; a worker that takes a partition over writes it again.
    """

    partition: Count
    offset: Count
    at_ms: EpochMs
    models: list[SwitchedModel]

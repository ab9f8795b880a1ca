"""Events that an agent publishes about its tasks."""

from typing import Annotated

import msgspec

from gnomon.events.field_types import (
    ContextValue,
    EpochMs,
    Identifier,
    ProducerId,
    Seconds,
    Sequence,
    Tenant,
    Traceparent,
)


class TaskStarted(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_started.v1",
):
    """An agent started one task. ``estimate_s`` is the agent's own estimate, if it has one.

    ``producer_id`` and ``seq`` let readers find missing and repeated events. ``sealed_context``
    is a context that is encrypted for the holders of the private key. ``tenant`` is whose work it is:
    the vault can seal each tenant's decisions with keys of their own.
    """

    agent_id: Identifier
    task_id: Identifier
    task_type: Identifier
    started_at_ms: EpochMs
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    traceparent: Traceparent | None = None
    tenant: Tenant | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None


class TaskFinished(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_finished.v1",
):
    """An agent finished one task, with or without success. The event is complete without its start.

    ``outcome`` has further values that the agent reports. The bound of ``duration_s`` (104 days)
    keeps the exact sum of an hour's durations, in nanoseconds, within 64 bits.
    """

    agent_id: Identifier
    task_id: Identifier
    task_type: Identifier
    started_at_ms: EpochMs
    finished_at_ms: EpochMs
    duration_s: Annotated[float, msgspec.Meta(ge=0.0, le=9_000_000.0, description="Seconds.")]
    succeeded: bool
    code_review_iterations: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] | None = None
    deployment_succeeded: bool | None = None
    error_type: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    outcome: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    sealed_outcome: bytes | None = None
    traceparent: Traceparent | None = None
    tenant: Tenant | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None

    def __post_init__(self) -> None:
        """Refuse a task that ended before it began."""
        if self.finished_at_ms < self.started_at_ms:
            raise ValueError(
                f"finished_at_ms {self.finished_at_ms} is before started_at_ms {self.started_at_ms}"
            )


class TaskCancelled(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="task_cancelled.v1",
):
    """An agent gave up a task: it will never have an outcome."""

    agent_id: Identifier
    task_id: Identifier
    cancelled_at_ms: EpochMs
    reason: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    tenant: Tenant | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None


TaskEvent = TaskStarted | TaskFinished | TaskCancelled

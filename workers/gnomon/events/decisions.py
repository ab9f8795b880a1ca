"""Predictions for a task, its outcome, and the decision that joins them."""

from typing import Annotated, Literal

import msgspec

from gnomon.events.features import Completeness, FeatureVector
from gnomon.events.field_types import (
    ContextValue,
    Count,
    EpochMs,
    Seconds,
    Share,
    Tenant,
    Traceparent,
)
from gnomon.events.intervals import Intervals

Parts = dict[
    str,
    Annotated[
        list[Annotated[float, msgspec.Meta(ge=0.0)] | None],
        msgspec.Meta(min_length=2, max_length=2),
    ],
]
"""Predictions of the parts of a mixed model, by the part's name: duration in seconds, then the
probability of success; ``None`` if the part did not predict it."""


class Prediction(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction.v1"
):
    """The prediction of one model version for one task, made when the task started.

    ``predictors`` is the number of predictions for this task, so that a reader knows when it has
    read all of them. ``model`` is ``control``, ``same-type`` or ``type`` for the baselines, whose
    version is ``0``; a quantity that a baseline cannot predict is ``None``. The ``sha256`` of
    ``type`` is that of the model file that contains its table. ``parts`` has the predictions
    ``[duration_s, success_probability]`` that a mixed model was made of, by the part's name.
    ``intervals`` are of a model that knows how far durations spread.
    """

    agent_id: str
    task_id: str
    started_at_ms: EpochMs
    model: str
    version: str
    predictors: Annotated[int, msgspec.Meta(ge=1)]
    duration_s: Seconds | None = None
    success_probability: Share | None = None
    sha256: str | None = None
    parts: Parts = {}
    intervals: Intervals | None = None


class PredictionShed(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction_shed.v1"
):
    """The shadow stage skipped this task because its lag was over the limit."""

    agent_id: str
    task_id: str
    started_at_ms: EpochMs


PredictionEvent = Prediction | PredictionShed


class ModelPrediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One model version's prediction inside a comparison."""

    model: str
    version: str
    duration_s: Seconds | None = None
    success_probability: Share | None = None
    sha256: str | None = None
    parts: Parts = {}
    intervals: Intervals | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a task ended, or why its end is not known. Only a ``matched`` task has measurements.

    ``reported`` is the ``outcome`` of ``TaskFinished``: further values that the agent reported.
    ``sealed_outcome`` is the same, encrypted for the holders of the private key.
    """

    status: Literal["matched", "expired", "cancelled"]
    at_ms: EpochMs
    duration_s: Seconds | None = None
    succeeded: bool | None = None
    code_review_iterations: Count | None = None
    deployment_succeeded: bool | None = None
    error_type: str | None = None
    reported: dict[str, ContextValue] = {}
    sealed_outcome: bytes | None = None


class Comparison(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="comparison.v1"
):
    """A decision: one task with its features, each model's prediction, and its outcome.

    ``decision_id`` depends on ``agent_id`` and ``task_id`` alone, so a repeated record has the
    same id. ``traceparent`` is that of the task's start.
    """

    decision_id: str
    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: EpochMs
    features: FeatureVector
    completeness: Completeness
    predictions: list[ModelPrediction]
    outcome: Outcome
    estimate_s: Seconds | None = None
    context: dict[str, ContextValue] = {}
    sealed_context: bytes | None = None
    tenant: Tenant | None = None
    traceparent: Traceparent | None = None


class SealedDecision(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="sealed_decision.v1"
):
    """A decision as it is stored: its ciphertext, and the fields needed to find and open it.

    ``scope`` is whose keys seal it: ``default``, or a tenant or agent whose decisions can be destroyed
    apart from all others.
    """

    decision_id: str
    key_id: str
    sealed: bytes
    status: Literal["matched", "expired", "cancelled"]
    started_at_ms: EpochMs
    ended_at_ms: EpochMs
    scope: str = "default"

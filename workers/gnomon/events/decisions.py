"""What is predicted of a task, and what became of it."""

from typing import Annotated, Literal

import msgspec

from gnomon.events.features import Completeness, FeatureVector
from gnomon.events.kinds import ContextValue, Count, EpochMs, Seconds, Share

Parts = dict[
    str,
    Annotated[
        list[Annotated[float, msgspec.Meta(ge=0.0)] | None],
        msgspec.Meta(min_length=2, max_length=2),
    ],
]
"""What each part of a model that mixes others predicted, by the part's name: seconds, then the
probability of success; ``None`` for nothing."""


class Prediction(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction.v1"
):
    """One prediction of one model version for one task, made as the task started.

    ``predictors`` is how many predictions the task has in all, so that a reader knows when it
    has seen the last. ``model`` is ``control``, ``same-type`` or ``type`` for the baselines, with
    version ``0``; what a baseline does not know is ``None``. The ``sha256`` of ``type`` is that of
    the model file that its table comes from. ``parts`` is what a model that mixes others was made
    of, ``[duration_s, success_probability]`` by the part's name.
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


class PredictionShed(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="prediction_shed.v1"
):
    """The shadow stage was behind its lag budget and skipped this task."""

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


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a task ended, or why that is not known. Figures only where it is ``matched``.

    ``reported`` is what else the agent said of it (``outcome`` in ``TaskFinished``), and
    ``sealed_outcome`` the same where only the vault's key holders may read it.
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

    ``decision_id`` is a function of ``agent_id`` and ``task_id`` alone, so a repeat has the same.
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


class SealedDecision(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="sealed_decision.v1"
):
    """A decision as it is stored: ciphertext, and what is needed to find and open it."""

    decision_id: str
    key_id: str
    sealed: bytes
    status: Literal["matched", "expired", "cancelled"]
    started_at_ms: EpochMs
    ended_at_ms: EpochMs

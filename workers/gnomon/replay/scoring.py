"""Predicts past decisions with registered versions, and reports how well. Pure, no I/O.

Each decision is predicted from the features of its start. The result depends only on the decisions,
their order and the model files, so a repetition gives the same bytes. A version that was trained on a
decision has seen its outcome, so the report shows the unseen decisions apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from gnomon.comparison.metrics.achieved import Achieved, by_version
from gnomon.errors import GnomonError
from gnomon.events import Comparison, Completeness, FeatureVector, ModelPrediction
from gnomon.models.predictor import LoadedModel
from gnomon.replay.replayed import ReplayedDecision, ReplayedPrediction
from gnomon.stages.predicting.predictors import Predictor, of_baselines, of_model

BATCH: Final = 1_000
"""Decisions that are predicted in one call."""


class ScoringError(GnomonError):
    """A version cannot predict the history."""


@dataclass(frozen=True, slots=True)
class ScoredVersion:
    """A version that predicts the history.

    Attributes:
        model: The loaded version.
        trained_until_ms: End of the last run of its training data (epoch milliseconds), if known.
    """

    model: LoadedModel
    trained_until_ms: int | None

    def unseen(self, decision: Comparison) -> bool | None:
        """Return whether ``decision`` started after all training data had ended, if that is known."""
        if self.trained_until_ms is None:
            return None
        return decision.started_at_ms >= self.trained_until_ms


class VersionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a report; ``unseen`` counts the decisions that it cannot have been trained on."""

    name: str
    version: str
    sha256: str
    trained_until_ms: int | None
    unseen: int


class ScoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of ``gnomon replay --model``: metrics on unseen decisions, and on all of them."""

    decisions: int
    versions: list[VersionSummary]
    unseen: list[Achieved]
    all: list[Achieved]
    replayed: bool = True


def scored(
    decisions: Iterable[Comparison], versions: Sequence[ScoredVersion]
) -> Iterator[ReplayedDecision]:
    """Yield each decision as the baselines and ``versions`` predict it, in the order of ``decisions``.

    Raises:
        ScoringError: A version raised an error.
    """
    remaining = iter(decisions)
    while batch := list(islice(remaining, BATCH)):
        predictors = of_baselines(batch, [version.model for version in versions])
        predictors += [_predictor(version, batch) for version in versions]
        by_sha256 = {version.model.sha256: version for version in versions}
        for index, decision in enumerate(batch):
            yield ReplayedDecision(
                decision_id=decision.decision_id,
                agent_id=decision.agent_id,
                task_id=decision.task_id,
                task_type=decision.task_type,
                started_at_ms=decision.started_at_ms,
                predictions=[_prediction(each, index, by_sha256, decision) for each in predictors],
                outcome=decision.outcome,
            )


def _predictor(version: ScoredVersion, batch: Sequence[Comparison]) -> Predictor:
    try:
        (predictor,) = of_model(version.model, [(batch, {})])
    except Exception as error:  # foreign code may raise anything
        model = version.model
        raise ScoringError(f"{model.name}@{model.version} cannot predict: {error!r}") from error
    return predictor


def _prediction(
    predictor: Predictor,
    index: int,
    versions: dict[str, ScoredVersion],
    decision: Comparison,
) -> ReplayedPrediction:
    figures, parts, _ = predictor.predictions
    version = None if predictor.sha256 is None else versions[predictor.sha256]
    return ReplayedPrediction(
        model=predictor.model,
        version=predictor.version,
        sha256=predictor.sha256,
        unseen=None if version is None else version.unseen(decision),
        duration_s=figures[index][0],
        success_probability=figures[index][1],
        parts=parts[index] if parts else {},
        intervals=predictor.intervals[index] if predictor.intervals else None,
    )


def report_of(
    replayed: Sequence[ReplayedDecision], versions: Sequence[ScoredVersion]
) -> ScoreReport:
    """Return the metrics of the baselines and ``versions`` on the replayed decisions."""
    unseen = [
        msgspec.structs.replace(
            decision, predictions=[p for p in decision.predictions if p.unseen is not False]
        )
        for decision in replayed
        if any(p.unseen for p in decision.predictions)
    ]
    return ScoreReport(
        decisions=len(replayed),
        versions=[
            VersionSummary(
                name=version.model.name,
                version=version.model.version,
                sha256=version.model.sha256,
                trained_until_ms=version.trained_until_ms,
                unseen=sum(
                    (p.model, p.sha256) == (version.model.name, version.model.sha256)
                    and p.unseen is True
                    for decision in replayed
                    for p in decision.predictions
                ),
            )
            for version in versions
        ],
        unseen=by_version([_as_comparison(decision) for decision in unseen]),
        all=by_version([_as_comparison(decision) for decision in replayed]),
    )


def _as_comparison(replayed: ReplayedDecision) -> Comparison:
    """Return the decision in the form from which metrics are computed; it is not written anywhere."""
    return Comparison(
        decision_id=replayed.decision_id,
        agent_id=replayed.agent_id,
        task_id=replayed.task_id,
        task_type=replayed.task_type,
        started_at_ms=replayed.started_at_ms,
        features=FeatureVector(),
        completeness=Completeness(),
        predictions=[
            ModelPrediction(
                model=p.model,
                version=p.version,
                duration_s=p.duration_s,
                success_probability=p.success_probability,
                sha256=p.sha256,
                intervals=p.intervals,
            )
            for p in replayed.predictions
        ],
        outcome=replayed.outcome,
    )

"""Fits a model on decisions, and judges its learner on later runs than those it learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison
from gnomon.long_work import ProgressCallback, counted, no_progress
from gnomon.models.evaluation import Evaluation, HeldOut, Plan, evaluate, fitted, splits
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.protocols import Estimator, Learner
from gnomon.models.runs import MIN_DECISIONS, usable_runs
from gnomon.models.table import Column, to_frame
from gnomon.models.threads import one_thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model fitted on all runs, with all that its registration needs.

    Attributes:
        columns: The input columns; ``outputs`` are the names of the columns that it predicts.
        runs: The runs it was fitted on, by their start.
        held_out: What the models of the origins predicted, by time; they are not registered.
        evaluation: ``None`` if too few runs had ended at every origin.
    """

    estimator: Estimator
    learner: str
    columns: tuple[Column, ...]
    outputs: tuple[str, ...]
    runs: Sequence[Comparison]
    held_out: tuple[HeldOut, ...]
    evaluation: Evaluation | None

    @property
    def decisions(self) -> int:
        """Return the number of runs it was fitted on."""
        return len(self.runs)

    @property
    def until_ms(self) -> int:
        """Return the end of the last run, epoch milliseconds."""
        return max(run.outcome.at_ms for run in self.runs)


def train(
    decisions: Sequence[Comparison],
    *,
    learner: Learner | None = None,
    plan: Plan | None = None,
    min_decisions: int = MIN_DECISIONS,
    current_sha256: str | None = None,
    read: int | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Trained:
    """Fit ``learner`` (by default ``mix``) on the matched decisions.

    Args:
        decisions: In any order.
        learner: Makes the estimator.
        plan: Origins of the evaluation; by default one, judged on the last fifth of the runs.
        min_decisions: Least number of decisions with an outcome.
        current_sha256: SHA-256 of the model file of the version that this one would replace; its
            recorded predictions are evaluated on the same runs.
        read: Number of decisions from which ``decisions`` were chosen, for the error.
        on_progress: Takes the progress.

    Raises:
        ConfigurationError: Too few decisions have an outcome.
    """
    learner = learner or LEARNERS[DEFAULT]()
    runs = usable_runs(decisions)
    needed = max(min_decisions, MIN_DECISIONS)
    if len(runs) < needed:
        raise ConfigurationError(
            f"{len(runs)} of {len(decisions) if read is None else read} decisions have an outcome;"
            f" training needs {needed}"
        )
    with one_thread():
        plan = plan or Plan()
        held_out = tuple(
            counted(splits(runs, learner, plan), on_progress, "evaluating", plan.origins)
        )
        on_progress("fitting", 0, None)
        model, columns = fitted(learner, runs)
        outputs = tuple(model.predict(to_frame(runs[:1], columns)))
    return Trained(
        estimator=model,
        learner=learner.name,
        columns=columns,
        outputs=outputs,
        runs=runs,
        held_out=held_out,
        evaluation=evaluate(held_out, current_sha256=current_sha256),
    )

"""Keeps the evidence on one model version: counts, and paired losses against each baseline."""

import msgspec

from gnomon.verdict.evidence import losses
from gnomon.verdict.evidence.decided import Decided, JudgedPrediction
from gnomon.verdict.evidence.sums import Sums, add_row
from gnomon.verdict.evidence.task_losses import LOG_LOSS, SECONDS, TaskLosses, task_losses
from gnomon.verdict.evidence.window import Window


class Counts(msgspec.Struct):
    """Count the tasks that one model version predicted.

    Attributes:
        decisions: Tasks that ended, are mature, and have a predicted duration: the decisions that count.
        immature: Tasks that ended but began too recently: longer tasks of that time still run.
        expired: Tasks that expired without an end.
        cancelled: Tasks that their agent cancelled: they have no outcome.
        answerable: Tasks for which a baseline predicted a duration; ``answered``: the model too.
        ratable: Tasks for which a baseline predicted a probability; ``rated``: the model too.
        within_25: Decisions whose duration was predicted to within a quarter.
    """

    decisions: int = 0
    immature: int = 0
    expired: int = 0
    cancelled: int = 0
    answerable: int = 0
    answered: int = 0
    within_25: int = 0
    ratable: int = 0
    rated: int = 0


class Versus(msgspec.Struct):
    """Compares a model with one baseline.

    Attributes:
        sums: The sums of each loss.
        worst: For each loss, what would be added to the baseline's and the model's ``sums`` if the
            expired tasks had ended in the worst way for the model; ``best`` likewise.
    """

    sums: dict[str, Sums] = {}
    worst: dict[str, list[int]] = {}
    best: dict[str, list[int]] = {}

    def merge(self, other: "Versus") -> None:
        """Add what another partition has read."""
        for loss, sums in other.sums.items():
            self.sums.setdefault(loss, Sums()).merge(sums)
        for kept, added in ((self.worst, other.worst), (self.best, other.best)):
            for loss, difference in added.items():
                add_row(kept.setdefault(loss, [0, 0]), difference)


class Challenger(msgspec.Struct):
    """The evidence on one model version.

    Attributes:
        sha256: SHA-256 of its model file; ``None`` if the predictions have none.
        labels: Names and versions under which it predicted.
        against: The comparison with each baseline.
        hits: Sums for the accuracy: the baseline's loss is 1 for each decision, the model's 1 for
            each wrong prediction of success.
        first_ms: Time of the earliest prediction that counts, and ``last_ms`` of the latest (epoch
            milliseconds).
        judged_agents: Number of agents with enough blocks to be tested for harm, if the rows of some
            are not here; otherwise ``None``.
    """

    sha256: str | None
    labels: dict[str, tuple[str, str]] = {}
    counts: Counts = msgspec.field(default_factory=Counts)
    against: dict[str, Versus] = {}
    hits: Sums = msgspec.field(default_factory=Sums)
    first_ms: int | None = None
    last_ms: int | None = None
    judged_agents: int | None = None

    def count(
        self, decided: Decided, prediction: JudgedPrediction, baselines: dict[str, JudgedPrediction]
    ) -> None:
        """Count the prediction ``prediction``, whatever the outcome of its task."""
        self.labels.setdefault(
            f"{prediction.model}@{prediction.version}", (prediction.model, prediction.version)
        )
        if any(baseline.duration_s is not None for baseline in baselines.values()):
            self.counts.answerable += 1
            self.counts.answered += prediction.duration_s is not None
        if any(baseline.success_probability is not None for baseline in baselines.values()):
            self.counts.ratable += 1
            self.counts.rated += prediction.success_probability is not None
        at_ms = decided.started_at_ms
        self.first_ms = at_ms if self.first_ms is None else min(self.first_ms, at_ms)
        self.last_ms = at_ms if self.last_ms is None else max(self.last_ms, at_ms)

    def matured(
        self,
        decided: Decided,
        prediction: JudgedPrediction,
        baselines: dict[str, JudgedPrediction],
        window: Window,
    ) -> TaskLosses:
        """Count a prediction of a task that ended and is mature; return its losses, to be added."""
        actual_s = decided.duration_s
        if actual_s is not None and prediction.duration_s is not None:
            self.counts.decisions += 1
            if abs(prediction.duration_s - actual_s) <= 0.25 * actual_s:
                self.counts.within_25 += 1
        return task_losses(
            prediction, baselines, window, actual_s=actual_s, succeeded=decided.succeeded
        )

    def add(self, agent: str, hour: int, found: TaskLosses) -> None:
        """Add the losses of tasks that ``agent`` was predicted in ``hour``."""
        for (baseline, loss), theirs, own in zip(
            found.pairs, found.values[::2], found.values[1::2], strict=True
        ):
            sums = self._sums(baseline, loss) if baseline else self.hits
            sums.add(agent, hour, theirs, own)

    def censored(
        self,
        decided: Decided,
        prediction: JudgedPrediction,
        baselines: dict[str, JudgedPrediction],
        *,
        window: Window,
        delta: float,
    ) -> None:
        """Score a prediction of a task without an end as if it had ended at its age.

        Also add up how the worst and the best end, at that age or later, would change the losses.
        """
        self.counts.expired += 1
        if prediction.duration_s is None:
            return
        age_s = decided.age_s
        found = task_losses(prediction, baselines, window, actual_s=age_s, succeeded=None)
        self.add(decided.agent_id, decided.hour, found)
        for name, baseline in baselines.items():
            if baseline.duration_s is None:
                continue
            for loss, position, cap in _axes(name, window):
                least = position(age_s)
                place = position(baseline.duration_s), position(prediction.duration_s)
                scored = losses.pair(*place, least, cap)
                weighed = delta if loss == LOG_LOSS else 0.0
                worst, best = losses.extremes(*place, least, cap=cap, delta=weighed)
                versus = self.against[name]
                for changes, to in ((versus.worst, worst), (versus.best, best)):
                    difference = [to.baseline - scored.baseline, to.model - scored.model]
                    add_row(changes.setdefault(loss, [0, 0]), difference)

    def all_sums(self) -> list[Sums]:
        """Yield every ``Sums`` of this model."""
        return [self.hits, *(s for versus in self.against.values() for s in versus.sums.values())]

    def merge(self, other: "Challenger") -> None:
        """Add what another partition has read of the same model."""
        self.merge_counts(other)
        self.hits.merge(other.hits)
        for baseline, versus in other.against.items():
            self.against.setdefault(baseline, Versus()).merge(versus)

    def merge_counts(self, other: "Challenger") -> None:
        """Add the counts, the names and the times of another partition, but no losses."""
        self.labels.update(other.labels)
        for name in Counts.__struct_fields__:
            setattr(self.counts, name, getattr(self.counts, name) + getattr(other.counts, name))
        firsts = [t for t in (self.first_ms, other.first_ms) if t is not None]
        lasts = [t for t in (self.last_ms, other.last_ms) if t is not None]
        self.first_ms, self.last_ms = min(firsts, default=None), max(lasts, default=None)

    def _sums(self, baseline: str, loss: str) -> Sums:
        versus = self.against.get(baseline)
        if versus is None:
            versus = self.against[baseline] = Versus()
        sums = versus.sums.get(loss)
        if sums is None:
            sums = versus.sums[loss] = Sums()
        return sums


def _axes(baseline: str, window: Window) -> tuple[tuple[str, losses.Axis, int], ...]:
    return (
        (LOG_LOSS, losses.on_log_axis, losses.LOG_CAP),
        (SECONDS, losses.on_seconds_axis, window.clip_us[baseline]),
    )

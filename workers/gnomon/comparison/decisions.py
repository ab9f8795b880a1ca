"""The join: a start, its features, its predictions and its end become one decision.

Its four parts come from three topics whose records interleave in any way. Nothing is decided by
which topic is ahead: a part waits for the others, and what is counted depends only on which
records have been read. A part that will never come is known by its order, not by time: features
and predictions are written in the order of the starts, to within ``max_disorder`` starts.
"""

import msgspec

from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.sources import Sources
from gnomon.events import Intervals, Outcome, Parts

Key = tuple[str, str, int]
"""Agent, task and start time: of the starts that are accepted, no two have the same."""

NOT_PREDICTED = -1
SHED = 0


class Predicted(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One prediction. ``source`` is the index of its model, version and digest."""

    source: int
    duration_s: float | None
    success_probability: float | None
    parts: Parts | None = None
    intervals: Intervals | None = None


class Decision(msgspec.Struct, array_like=True, gc=False):
    """What has come of one decision.

    ``ordinal`` numbers the starts from 1 and is 0 before the start is read; ``features_seq`` and
    ``predictions_seq`` number the first records of those parts in their topics. ``features`` is
    the record as it came. A ``void`` decision only waits to be forgotten: its start was refused.
    """

    agent_id: str
    task_id: str
    started_at_ms: int
    ordinal: int = 0
    features_seq: int = 0
    predictions_seq: int = 0
    features: bytes | None = None
    predictors: int = NOT_PREDICTED
    predictions: list[Predicted] = []
    outcome: Outcome | None = None
    void: bool = False
    tenant: str | None = None


Complete = tuple[Decision, bytes, Outcome]
"""A complete decision with its features and its outcome."""


class Progress(msgspec.Struct, array_like=True, gc=False):
    """How far one topic is: records read, and the furthest that met its start."""

    read: int = 0
    met_seq: int = 0
    met_ordinal: int = 0

    def meet(self, seq: int, ordinal: int) -> None:
        """Note that the ``seq``-th record of the topic belongs to the ``ordinal``-th start."""
        self.met_seq = max(self.met_seq, seq)
        self.met_ordinal = max(self.met_ordinal, ordinal)


class Counts(msgspec.Struct, array_like=True, gc=False):
    """What became of decisions; each is counted when its last part has come."""

    predicted: int = 0
    matched: int = 0
    expired: int = 0
    cancelled: int = 0
    shed: int = 0
    incomplete: int = 0


class Decisions:
    """All decisions of one partition that are not complete.

    Attributes:
        unstarted: Features or predictions came, the start did not yet. By first arrival.
        started: Started; features or predictions are missing. In the order of the starts.
        pending: Predicted; the end is missing.
        complete: All parts are here. The owner takes them out.
        sources: Who predicts.
    """

    __slots__ = (
        "complete", "counts", "features", "pending", "predictions", "sources", "started",
        "starts", "unstarted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.unstarted: dict[Key, Decision] = {}
        self.started: dict[Key, Decision] = {}
        self.pending: dict[Key, Decision] = {}
        self.complete: list[Complete] = []
        self.features, self.predictions = Progress(), Progress()
        self.sources = Sources()
        self.counts = Counts()
        self.starts = 0

    def start(
        self,
        agent_id: str,
        task_id: str,
        at_ms: int,
        *,
        tenant: str | None = None,
        void: bool = False,
    ) -> None:
        """A task was started; ``void`` if nothing shall come of it but to forget its parts."""
        key = (agent_id, task_id, at_ms)
        if void and (key in self.started or key in self.pending):
            return
        self.starts += 1
        decision = self.unstarted.pop(key, None)
        if decision is None:
            self.started[key] = Decision(
                agent_id, task_id, at_ms, self.starts, void=void, tenant=tenant
            )
            return
        decision.ordinal, decision.void, decision.tenant = self.starts, void, tenant
        if decision.features is not None:
            self.features.meet(decision.features_seq, self.starts)
        if decision.predictors != NOT_PREDICTED:
            self.predictions.meet(decision.predictions_seq, self.starts)
        self.started[key] = decision
        self._settle(key, decision)

    def end(self, agent_id: str, task_id: str, started_at_ms: int, outcome: Outcome) -> None:
        """The task that started then has ended, or will be waited for no longer."""
        key = (agent_id, task_id, started_at_ms)
        decision = self.pending.pop(key, None)
        if decision is not None:
            self._complete(decision, decision.features or b"", outcome)
        elif (decision := self.started.get(key)) is not None:
            decision.outcome = outcome

    def add_features(self, key: Key, value: bytes) -> None:
        """Features came; ``value`` is the record. Repeats are ignored."""
        progress = self.features
        progress.read += 1
        decision = self.started.get(key)
        if decision is None:
            decision = self._unstarted(key)
            if decision.features is None:
                decision.features, decision.features_seq = value, progress.read
        elif decision.features is None:
            decision.features = value
            progress.meet(progress.read, decision.ordinal)
            self._settle(key, decision)

    def add_prediction(self, key: Key, predicted: Predicted, predictors: int) -> None:
        """One of ``predictors`` predictions came. A second one of a model version is ignored."""
        progress = self.predictions
        progress.read += 1
        decision = self.started.get(key) or self._unstarted(key)
        if decision.predictors == NOT_PREDICTED:
            decision.predictors, decision.predictions_seq = predictors, progress.read
            decision.predictions = [predicted]
            if decision.ordinal:
                progress.meet(progress.read, decision.ordinal)
        elif len(decision.predictions) < decision.predictors:
            model_of = self.sources.model_of
            model = model_of[predicted.source]
            for other in decision.predictions:
                if model_of[other.source] == model:
                    return
            decision.predictions.append(predicted)
        if decision.ordinal and len(decision.predictions) >= decision.predictors:
            self._settle(key, decision)

    def add_shed(self, key: Key) -> None:
        """The task will not be predicted. Ignored where its predictions are all here already."""
        progress = self.predictions
        progress.read += 1
        decision = self.started.get(key) or self._unstarted(key)
        if decision.predictors == NOT_PREDICTED:
            decision.predictions_seq = progress.read
            if decision.ordinal:
                progress.meet(progress.read, decision.ordinal)
        elif len(decision.predictions) >= decision.predictors:
            return
        decision.predictors, decision.predictions = SHED, []
        if decision.ordinal:
            self._settle(key, decision)

    def give_up(self, config: ComparisonConfig) -> None:
        """Forget what will never be complete."""
        started, unstarted = self.started, self.unstarted
        while started and (
            len(started) > config.max_waiting
            or self._passed(next(iter(started.values())), config.max_disorder)
        ):
            decision = started.pop(next(iter(started)))
            self.counts.incomplete += not decision.void
        while unstarted and (
            len(unstarted) > config.max_waiting
            or self._startless(next(iter(unstarted.values())), config.max_disorder)
        ):
            del unstarted[next(iter(unstarted))]

    def oldest_start_ms(self) -> int:
        """Return the earliest start of a task that waits for a part; ``1 << 62`` if there is none."""
        waiting = (d.started_at_ms for d in self.started.values() if not d.void)
        return min(waiting, default=1 << 62)

    def _passed(self, decision: Decision, disorder: int) -> bool:
        """Whether a part that is missing has come for a start ``disorder`` later."""
        last = decision.ordinal + disorder
        if decision.features is None and self.features.met_ordinal >= last:
            return True
        missing = (
            decision.predictors == NOT_PREDICTED or len(decision.predictions) < decision.predictors
        )
        return missing and self.predictions.met_ordinal >= last

    def _startless(self, decision: Decision, disorder: int) -> bool:
        """Whether the starts of records ``disorder`` later have been read already."""
        return (
            decision.features is not None
            and decision.features_seq + disorder <= self.features.met_seq
        ) or (
            decision.predictors != NOT_PREDICTED
            and decision.predictions_seq + disorder <= self.predictions.met_seq
        )

    def _unstarted(self, key: Key) -> Decision:
        decision = self.unstarted.get(key)
        if decision is None:
            decision = self.unstarted[key] = Decision(*key)
        return decision

    def _settle(self, key: Key, decision: Decision) -> None:
        """Move on a started decision whose features and predictions are all here."""
        features, wanted, outcome = decision.features, decision.predictors, decision.outcome
        if features is None or wanted < 0 or len(decision.predictions) < wanted:
            return
        del self.started[key]
        if decision.void:
            return
        if wanted == SHED:
            self.counts.shed += 1
            return
        self.counts.predicted += 1
        if outcome is None:
            self.pending[key] = decision
        else:
            self._complete(decision, features, outcome)

    def _complete(self, decision: Decision, features: bytes, outcome: Outcome) -> None:
        counts = self.counts
        if outcome.status == "matched":
            counts.matched += 1
        elif outcome.status == "expired":
            counts.expired += 1
        else:
            counts.cancelled += 1
        self.complete.append((decision, features, outcome))

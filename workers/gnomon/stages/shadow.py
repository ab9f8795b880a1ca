"""Stage 2, shadow: started tasks in; a prediction of each baseline and each live model version out.

Predictions are made from the features of the start alone. The baselines, simple rules that a model
has to beat, always run beside the models, so every task has predictions from the first minute.

A version whose call fails or takes too long says nothing: it predicts ``None`` for the tasks of the
batch, so that the verdict counts them against it. While a version is skipped it has no predictions
(``gnomon.stages.predicting.model_calls``).

A stage too far behind passes its oldest tasks over: nothing predicts them, no baseline either, and a
``PredictionShed`` in place of the predictions keeps the ledger's account.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from gnomon import codec
from gnomon.events import (
    AbsentModel,
    ModelSwitched,
    Parts,
    Prediction,
    PredictionShed,
    SwitchedModel,
    TaskFeatures,
)
from gnomon.models.circuit_breaker import CallLimits
from gnomon.models.predictor import LoadedModel
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.batch_metrics import trace_id_in
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.interval_corrections import LiveCorrections
from gnomon.stages.predicting.joined_calls import JoinedCalls
from gnomon.stages.predicting.live_models import LiveModels
from gnomon.stages.predicting.model_calls import ModelCalls
from gnomon.stages.predicting.predictors import Predictor, of_baselines, says_nothing
from gnomon.stages.predicting.shedding import LagBudget
from gnomon.topics import MODEL_SWITCHES, SHADOW_PREDICTIONS, TASK_FEATURES

_NO_PARTS: Parts = {}


class ShadowStage:
    """Runs every live model version on each batch at once.

    Args:
        models: The versions.
        metrics: Where to count.
        now_ms: The clock, epoch milliseconds.
        shed_lag_records: The lag a partition may have before its oldest tasks are passed over.
        corrections: Of the models' intervals; not given, these are the models' own.
        limits: Limits of the calls of each version.
        clock_s: Monotonic clock, in seconds, by which these calls are measured.
    """

    name = "shadow"
    inputs = (TASK_FEATURES.name,)
    outputs = (SHADOW_PREDICTIONS.name, MODEL_SWITCHES.name)
    stateful = False
    linger_ms = 10
    nice = 0

    def __init__(
        self,
        models: LiveModels,
        *,
        metrics: Metrics,
        now_ms: Callable[[], int],
        shed_lag_records: int = 0,
        corrections: LiveCorrections | None = None,
        limits: CallLimits | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models, self._metrics, self._now_ms = models, metrics, now_ms
        self._corrections = corrections or LiveCorrections(None, retry_s=1.0)
        self._calls = ModelCalls(limits or CallLimits(), metrics=metrics, clock_s=clock_s)
        self._joined = JoinedCalls(self._calls)
        self._switched: dict[int, object] = {}
        self._budget = LagBudget(shed_lag_records)
        self._waiting: dict[int, int] = {}

    async def start(self) -> None:
        """Load what is live and begin to watch for changes."""
        await self._models.start()
        await self._corrections.start()

    async def stop(self) -> None:
        """Stop watching, and end the versions' threads."""
        await self._corrections.stop()
        await self._models.stop()
        self._joined.close()
        self._calls.close()

    def new_state(self, partition: int) -> None:
        """Keep nothing; tell anew which versions predict this partition."""
        self._switched.pop(partition, None)

    def observe_lag(self, partition: int, records: int) -> None:
        """How many records wait, those of the next batch included."""
        self._waiting[partition] = records

    async def apply(self, state: None, records: Sequence[SourceRecord]) -> Outputs:
        """Predict the batch, but for its oldest tasks if there are too many."""
        outputs = Outputs()
        tasks: list[TaskFeatures] = []
        decode = codec.decode_task_features
        for record in records:
            try:
                tasks.append(decode(record.value or b""))
            except codec.UNDECODABLE as error:
                refusal = codec.refusal(record.value, error)
                outputs.dead.append(DeadLetter(record, refusal.reason, refusal.detail))
        partition = records[0].partition if records else 0
        excess = self._budget.excess(partition, self._waiting.get(partition, 0))
        self._shed(tasks[:excess], outputs)
        if kept := tasks[excess:]:
            live = self._models.live
            skipped = await self._predict(kept, live, partition, outputs)
            self._tell_switch(records[0], live, skipped, outputs)
        return outputs

    def _tell_switch(
        self,
        first: SourceRecord,
        live: Sequence[LoadedModel],
        skipped: Mapping[str, str],
        outputs: Outputs,
    ) -> None:
        """Write which versions predict, if they are others than in the batch before this one.

        ``skipped`` has the reason why a version is skipped, by its SHA-256.
        """
        models = [
            SwitchedModel(model=model.name, version=model.version, sha256=model.sha256)
            for model in live
            if model.sha256 not in skipped
        ]
        absent = [_skipped(model, skipped[m]) for model in live if (m := model.sha256) in skipped]
        absent += self._models.absent()
        # A reason may change with every attempt, which is no switch.
        now = models, [(each.version, each.sha256, each.state) for each in absent]
        if self._switched.get(first.partition) == now:
            return
        self._switched[first.partition] = now
        switched = ModelSwitched(
            partition=first.partition,
            offset=first.offset,
            at_ms=self._now_ms(),
            models=models,
            absent=absent,
        )
        key = str(first.partition).encode()
        outputs.topic(MODEL_SWITCHES.name).append((key, codec.encode(switched)))

    def _shed(self, tasks: Sequence[TaskFeatures], outputs: Outputs) -> None:
        for task in tasks:
            shed = PredictionShed(
                agent_id=task.agent_id, task_id=task.task_id, started_at_ms=task.started_at_ms
            )
            outputs.topic(SHADOW_PREDICTIONS.name).append(
                (task.agent_id.encode(), codec.encode(shed))
            )
        if tasks:
            self._metrics.count("gnomon_predictions_shed_total", len(tasks))

    async def _predict(
        self,
        tasks: Sequence[TaskFeatures],
        live: Sequence[LoadedModel],
        partition: int,
        outputs: Outputs,
    ) -> dict[str, str]:
        """Write the predictions; return why versions are skipped, by their SHA-256."""
        predictors, skipped = of_baselines(tasks, live), {}
        silent: list[Predictor] = []
        self._calls.keep(live)
        for model in live:
            corrections = self._corrections.of(model.sha256, partition)
            called = await self._joined.predict(model, tasks, corrections)
            if called.value is not None:
                predictors.append(called.value)
            elif called.skipped is None:
                silent.append(says_nothing(model, len(tasks)))
            if called.skipped is not None:
                skipped[model.sha256] = called.skipped
        for predictor in predictors:
            self._metrics.count("gnomon_predictions_total", len(tasks), predictor.model)
        now_ms = self._now_ms()
        for task in tasks:
            since_start_s = max(0.0, (now_ms - task.started_at_ms) / 1000)
            trace_id = trace_id_in(task.traceparent)
            self._metrics.observe(
                "gnomon_prediction_latency_seconds", since_start_s, trace_id=trace_id
            )
        predictors += silent
        self._write(tasks, predictors, outputs)
        return skipped

    def _write(
        self, tasks: Sequence[TaskFeatures], predictors: Sequence[Predictor], outputs: Outputs
    ) -> None:
        append, encode = outputs.topic(SHADOW_PREDICTIONS.name).append, codec.encode
        for index, task in enumerate(tasks):
            key = task.agent_id.encode()
            for name, version, sha256, (figures, parts, _), around in predictors:
                duration_s, probability = figures[index]
                prediction = Prediction(
                    agent_id=task.agent_id,
                    task_id=task.task_id,
                    started_at_ms=task.started_at_ms,
                    model=name,
                    version=version,
                    predictors=len(predictors),
                    duration_s=duration_s,
                    success_probability=probability,
                    sha256=sha256,
                    parts=parts[index] if parts else _NO_PARTS,
                    intervals=around[index] if around else None,
                )
                append((key, encode(prediction)))

    def tick(self, state: None, idle_ms: int) -> None:
        """Time alone leads to nothing."""

    def snapshot(self, state: None) -> bytes:
        """Nothing is kept."""
        return b""

    def restore(self, partition: int, data: bytes) -> None:
        """Keep nothing; what was told last may not have been committed."""
        self._switched.pop(partition, None)

    def degraded(self) -> Sequence[str]:
        """Return which versions do not predict although they should, and what cannot be followed."""
        return [
            *self._models.degraded(),
            *self._corrections.degraded(),
            *self._calls.degraded(),
        ]

    def status(self) -> Mapping[str, object]:
        """Which versions predict, which were refused and why, and where tasks are passed over.

        ``calls`` has the circuit breaker of each version, which is no refusal.
        """
        return {
            **self._models.status(),
            "calls": self._calls.status(),
            "shedding": self._budget.over,
            "corrections_read": self._corrections.records,
        }


def _skipped(model: LoadedModel, reason: str) -> AbsentModel:
    return AbsentModel(
        model=model.name,
        version=model.version,
        sha256=model.sha256,
        state="skipped",
        reason=reason,
    )

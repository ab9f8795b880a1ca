"""Stage 2, shadow: started tasks in; one prediction of each live model version out.

Predictions are made from the features of the start alone. Control, the estimate to beat, always
runs beside the models, so every task has a prediction from the first minute.

A stage too far behind passes its oldest tasks over: nobody, control included, predicts them, and a
``PredictionShed`` in place of the predictions keeps the ledger's account.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from gnomon import codec
from gnomon.events import Prediction, PredictionShed, TaskFeatures
from gnomon.models.control import control_prediction
from gnomon.models.predictor import LoadedModel
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.stages.live_models import LiveModels
from gnomon.stages.shedding import LagBudget
from gnomon.topics import SHADOW_PREDICTIONS, TASK_FEATURES

logger = logging.getLogger(__name__)

CONTROL = "control"
CONTROL_VERSION = "0"
Predicted = list[tuple[float | None, float | None]]
"""Duration in seconds and probability of success of each task of a batch."""
Made = tuple[str, str, str | None, tuple[float | None, float | None]]
"""Name, version and SHA-256 of a model, and what it said of one task."""


class ShadowStage:
    """Runs every live model version on each batch at once.

    Args:
        models: The versions.
        metrics: Where to count.
        shed_lag_records: The lag a partition may have before its oldest tasks are passed over.
    """

    name = "shadow"
    inputs = (TASK_FEATURES.name,)
    stateful = False
    linger_ms = 10
    nice = 0

    def __init__(self, models: LiveModels, *, metrics: Metrics, shed_lag_records: int = 0) -> None:
        self._models, self._metrics = models, metrics
        self._budget = LagBudget(shed_lag_records)
        self._waiting: dict[int, int] = {}

    async def start(self) -> None:
        """Load what is live and begin to watch for changes."""
        await self._models.start()

    async def stop(self) -> None:
        """Stop watching."""
        await self._models.stop()

    def new_state(self, partition: int) -> None:
        """Nothing is kept."""

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
            await self._predict(kept, outputs)
        return outputs

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

    async def _predict(self, tasks: Sequence[TaskFeatures], outputs: Outputs) -> None:
        predicted: list[tuple[LoadedModel, Predicted]] = []
        for model in self._models.live:
            figures = await asyncio.to_thread(self._try, model, tasks)
            if figures is not None:
                predicted.append((model, figures))
                self._metrics.count("gnomon_predictions_total", len(tasks), model.name)
        self._metrics.count("gnomon_predictions_total", len(tasks), CONTROL)
        append, encode = outputs.topic(SHADOW_PREDICTIONS.name).append, codec.encode
        predictors = 1 + len(predicted)
        for index, task in enumerate(tasks):
            key = task.agent_id.encode()
            made: list[Made] = [(CONTROL, CONTROL_VERSION, None, control_prediction(task))]
            made += [(m.name, m.version, m.sha256, figures[index]) for m, figures in predicted]
            for name, version, sha256, (duration_s, probability) in made:
                prediction = Prediction(
                    agent_id=task.agent_id,
                    task_id=task.task_id,
                    started_at_ms=task.started_at_ms,
                    model=name,
                    version=version,
                    predictors=predictors,
                    duration_s=duration_s,
                    success_probability=probability,
                    sha256=sha256,
                )
                append((key, encode(prediction)))

    def _try(self, model: LoadedModel, tasks: Sequence[TaskFeatures]) -> Predicted | None:
        """A model's figures, or ``None``: foreign code that raises costs its own predictions only."""
        try:
            return model.predict(tasks)
        except Exception as error:
            logger.warning(
                "model.failed",
                # The class alone: a message may quote what it was given.
                extra={
                    "model": model.name,
                    "version": model.version,
                    "error": type(error).__name__,
                },
            )
            self._metrics.count("gnomon_models_refused_total", 1, "failed")
            return None

    def tick(self, state: None, idle_ms: int) -> None:
        """Time alone leads to nothing."""

    def snapshot(self, state: None) -> bytes:
        """Nothing is kept."""
        return b""

    def restore(self, partition: int, data: bytes) -> None:
        """Nothing is kept."""

    def status(self) -> Mapping[str, object]:
        """Which versions predict, which were refused and why, and where tasks are passed over."""
        return {**self._models.status(), "shedding": self._budget.over}

"""Lets one call of a model version predict the batches of several partitions."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from gnomon.comparison.intervals.calibration import CorrectionTable
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import Task
from gnomon.stages.joining import Joining, Waiting
from gnomon.stages.predicting.model_calls import Called, JoinedCallError, ModelCalls
from gnomon.stages.predicting.predictors import Predictor, of_model

MOST_TASKS: Final = 2_000
"""A call gets no further batch after this many tasks."""


class _Batch(NamedTuple):
    tasks: Sequence[Task]
    corrections: CorrectionTable


_Predictions = Called[Predictor]


class JoinedCalls:
    """Predicts batches of tasks, those that wait for the same version together.

    Args:
        calls: Makes the calls.
    """

    def __init__(self, calls: ModelCalls) -> None:
        self._calls = calls
        self._joining: dict[str, Joining[_Batch, _Predictions]] = {}

    async def predict(
        self, model: LoadedModel, tasks: Sequence[Task], corrections: CorrectionTable
    ) -> _Predictions:
        """Return what ``model`` predicts of ``tasks``, with corrected intervals; see ``ModelCalls.call``."""
        joining = self._joining.get(model.sha256)
        if joining is None:
            joining = self._joining[model.sha256] = Joining(
                partial(self._call, model), size=lambda batch: len(batch.tasks), most=MOST_TASKS
            )
        try:
            return await joining.result_of(_Batch(tasks, corrections))
        finally:
            if joining.is_idle:  # a model that is used no more is not kept
                self._joining.pop(model.sha256, None)

    def close(self) -> None:
        """Stop predicting; whoever waits is cancelled."""
        for joining in self._joining.values():
            joining.close()

    async def _call(
        self, model: LoadedModel, batches: Sequence[Waiting[_Batch, _Predictions]]
    ) -> None:
        """Predict ``batches`` in one call; if the model raises, each in a call of its own."""
        asked = [batch.item for batch in batches]
        count = sum(len(batch.tasks) for batch in asked)
        predict = partial(of_model, model, [(batch.tasks, batch.corrections) for batch in asked])
        try:
            called = await self._calls.call(model, count, predict, joined=len(batches) > 1)
        except JoinedCallError:
            for batch in batches:
                await self._call(model, [batch])
            return
        values = [None] * len(batches) if called.value is None else called.value
        for batch, value in zip(batches, values, strict=True):
            if not batch.done.done():
                batch.done.set_result(Called(value, called.skipped))

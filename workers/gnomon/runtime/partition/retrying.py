"""Calls the ``apply`` of a stage, again and again while something that the stage needs is away."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gnomon.errors import TransientError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import LagAware, Stage

logger = logging.getLogger(__name__)
State = TypeVar("State")

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0


class RetryingApply(Generic[State]):
    """The ``apply`` of a stage for one partition, with back-off while it raises ``TransientError``.

    Args:
        stage: Folds the records.
        partition: Of the records.
        metrics: Counts the repetitions.
        lag: Returns how many records are known to wait.
        stopping: Whether the worker stops, so that nothing is repeated any more.
    """

    def __init__(
        self,
        stage: Stage[State],
        partition: int,
        *,
        metrics: Metrics,
        lag: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        self._stage, self._partition, self._metrics = stage, partition, metrics
        self._lag, self._stopping = lag, stopping
        self._lag_aware = stage if isinstance(stage, LagAware) else None

    async def __call__(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Fold ``records`` into ``state`` and return what to write.

        Raises:
            TransientError: The records cannot be folded now, and the worker stops.
            Exception: Whatever else the stage raises.
        """
        backoff_s = FIRST_BACKOFF_S
        while True:
            if self._lag_aware is not None:
                self._lag_aware.observe_lag(self._partition, max(self._lag(), len(records)))
            try:
                return await self._stage.apply(state, records)
            except TransientError as error:
                if self._stopping():
                    raise
                self._metrics.count("gnomon_batch_retries_total", 1, self._stage.name)
                logger.warning(
                    "batch.retry",
                    extra={"stage": self._stage.name, "reason": str(error), "in_s": backoff_s},
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

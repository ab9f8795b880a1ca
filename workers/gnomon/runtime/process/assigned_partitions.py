"""The partitions that the consumer group has assigned to this worker, each with its own worker task."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from gnomon.errors import FencedError
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.partition.worker import PartitionWorker

logger = logging.getLogger(__name__)
State = TypeVar("State")

HAND_OVER_S = 5.0
"""How long a rebalance waits for the current batches; later ones are fenced by the next worker."""

OnFailure = Callable[[PartitionWorker[State], Exception], None]


class AssignedPartitions(Generic[State]):
    """Opens and closes partition workers as the group assigns and revokes partitions.

    Args:
        stage: Name, for logs.
        open_worker: Creates the worker of a partition, not started.
        fail: Called with an error that must end the process.
        fenced_grace_s: How long a fenced partition may stay assigned: a rebalance should follow.
        on_dropped: Called with each partition that is closed.
    """

    def __init__(
        self,
        stage: str,
        *,
        open_worker: Callable[[int, OnFailure[State]], PartitionWorker[State]],
        fail: Callable[[BaseException], None],
        fenced_grace_s: float,
        on_dropped: Callable[[int], None],
    ) -> None:
        self._stage, self._open_worker, self._fail = stage, open_worker, fail
        self._fenced_grace_s, self._on_dropped = fenced_grace_s, on_dropped
        self._workers: dict[int, PartitionWorker[State]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._generation = -1

    def __iter__(self) -> Iterator[tuple[int, PartitionWorker[State]]]:
        """Yield partition numbers and workers, ascending."""
        return iter(sorted(self._workers.items()))

    async def put(self, batch: Batch) -> None:
        """Queue a batch for its partition; drop it if the partition is not assigned."""
        worker = self._workers.get(batch.partition)
        if worker is not None:
            await worker.put(batch)

    def assign(self, numbers: set[int], generation: int) -> bool:
        """Open and close workers so that exactly ``numbers`` are open.

        A worker keeps its state unless the group has had a generation without this process: then
        another process may have moved the offsets on.

        Returns:
            Whether there was such a generation.
        """
        missed = generation != self._generation + 1
        if not missed:
            stale = {number for number, worker in self._workers.items() if worker.ended}
        else:
            stale = set(self._workers)
        self._generation = generation
        given_up = (set(self._workers) - numbers) | stale
        for number in given_up:
            self._workers[number].give_up()
        self._close(given_up)
        for number in sorted(numbers - set(self._workers)):
            worker = self._workers[number] = self._open_worker(number, self._worker_failed)
            worker.start()
        logger.info(
            "partitions.assigned",
            extra={
                "stage": self._stage,
                "partitions": sorted(numbers),
                "generation": generation,
                "begun_again": sorted(stale & numbers),
            },
        )
        return missed

    async def revoke(self) -> None:
        """Commit the current batches; a partition that is assigned again at once keeps its state."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.clear_queue()
        if workers:
            draining = [asyncio.create_task(worker.drain()) for worker in workers]
            _, late = await asyncio.wait(draining, timeout=HAND_OVER_S)
            for task in late:
                task.cancel()

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        """Update the lag of each partition; ``ends`` is by partition and full topic name."""
        for number, worker in self._workers.items():
            if number in ends:
                worker.observe_end_offsets(ends[number])

    def stalls(self, limit_s: float) -> list[Stall]:
        """Return the partitions that have made no progress for more than ``limit_s``.

        One that waits for its turn to recover is none of them.
        """
        return [
            worker.progress.stall(self._stage, number)
            for number, worker in self
            if worker.progress.step != "new" and worker.progress.since_advance_s > limit_s
        ]

    async def close(self, *, within_s: float) -> None:
        """Stop all workers and wait for them."""
        self._close(set(self._workers), within_s=within_s)
        await asyncio.gather(*self._closing)

    def _close(self, numbers: Iterable[int], *, within_s: float = HAND_OVER_S) -> None:
        """Stop workers in the background: the next worker of a partition need not wait for it."""
        for number in numbers:
            worker = self._workers.pop(number)
            self._on_dropped(number)
            closing = asyncio.create_task(worker.stop(within_s=within_s))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _worker_failed(self, worker: PartitionWorker[State], error: Exception) -> None:
        """Fail, unless another process has taken the partition over: then a rebalance follows."""
        number = worker.ref.partition
        if self._workers.get(number) is not worker:
            return
        if not isinstance(error, FencedError):
            self._fail(error)
            return
        logger.warning("partition.fenced", extra={"stage": self._stage, "partition": number})

        def fail_if_still_assigned() -> None:
            if self._workers.get(number) is worker:
                self._fail(error)

        asyncio.get_running_loop().call_later(self._fenced_grace_s, fail_if_still_assigned)

"""Records when the offsets of each partition are committed, while faults happen."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.topics import group_of

EVERY_S = 0.25
Partition = tuple[str, int]
"""Stage and partition number."""


class Commits:
    """Polls the committed offsets of every stage's group until it is cancelled.

    Attributes:
        times: When each partition was seen to have advanced, monotonic seconds, ascending.
    """

    def __init__(self, kafka: KafkaConnection, prefix: str, stages: tuple[str, ...]) -> None:
        self.times: dict[Partition, list[float]] = defaultdict(list)
        self._kafka, self._prefix, self._stages = kafka, prefix, stages
        self._last: dict[Partition, int] = {}

    async def watch(self) -> None:
        """Poll; while the broker is down no offsets are seen."""
        while True:
            admin = aiokafka_clients.admin(self._kafka, request_timeout_ms=5000)
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await admin.start()
                while True:
                    await self._look(admin)
                    await asyncio.sleep(EVERY_S)
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()
            await asyncio.sleep(EVERY_S)

    async def _look(self, admin: AIOKafkaAdminClient) -> None:
        for stage in self._stages:
            found = await asyncio.wait_for(
                admin.list_consumer_group_offsets(group_of(stage, self._prefix)), 5.0
            )
            at_s = time.monotonic()
            sums: dict[Partition, int] = defaultdict(int)
            for tp, committed in found.items():
                sums[stage, tp.partition] += committed.offset
            for partition, total in sums.items():
                if total != self._last.get(partition):
                    self._last[partition] = total
                    self.times[partition].append(at_s)

    def first_after(self, stage: str, at_s: float) -> float | None:
        """Return the seconds from ``at_s`` to the first commit of any of the stage's partitions.

        What was committed just before can be seen one look later; it is not taken for a commit after.
        """
        since_s = at_s + 2 * EVERY_S
        later = [
            t
            for (of_stage, _), times in self.times.items()
            if of_stage == stage
            for t in times
            if t > since_s
        ]
        return min(later) - at_s if later else None

    def longest_silence(self, stage: str, from_s: float, until_s: float) -> float:
        """Return the longest time without a commit of any one of the stage's partitions around that time."""
        longest = 0.0
        for (of_stage, _), times in self.times.items():
            if of_stage == stage:
                for earlier, later in itertools.pairwise(times):
                    if later >= from_s and earlier <= until_s + 2 * EVERY_S:
                        longest = max(longest, later - earlier)
        return longest

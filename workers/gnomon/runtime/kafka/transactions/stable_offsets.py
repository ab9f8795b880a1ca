"""Reads the offsets from which a partition continues, after what its last owners left open has ended.

A coordinator that has just been elected may answer with older offsets than were committed, because it takes
itself for loaded too early (``docs/transactions.md``). Records would then be processed twice, so no offset is
accepted that is smaller than one which this worker has read or committed before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from aiokafka.errors import ConcurrentTransactions, KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection.refusals import unavailable
from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.group_offsets import GroupOffset

logger = logging.getLogger(__name__)

BACKWARDS_WITHIN_S: Final = 30.0
"""For how long older offsets are asked for again: a coordinator that still loads has them all by then."""
ASK_AGAIN_S: Final = 0.5


class OffsetSource(Protocol):
    """The two methods of ``TransactionalProducer`` that are needed here."""

    async def end_other(self, transactional_id: str) -> None: ...  # noqa: D102
    async def group_offsets(  # noqa: D102
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]: ...


class StableOffsets:
    """Reads offsets of one group for one worker (rules 3, 7, 8 and 10 of ``docs/transactions.md``).

    Args:
        source: Asks the brokers.
        stage: For logs.
        transactional_id: The worker's own.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        source: OffsetSource,
        *,
        stage: str,
        transactional_id: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source, self._stage, self._id = source, stage, transactional_id
        self._sleep = sleep
        self._known: dict[TopicPartition, int] = {}
        self._ended: set[str] = set()
        self._member = GroupMember("")
        self._ending: asyncio.Task[None] | None = None

    def joined(self, member: GroupMember, *, can_end: bool) -> None:
        """Note the members of a new generation, and end what those have left open that are gone.

        Args:
            member: The worker's membership.
            can_end: Whether ``source`` is started; otherwise nothing is ended.
        """
        gone = self._member.transactional_ids - member.transactional_ids
        self._member = member
        self._ended.clear()
        self.stop()
        self._ending = asyncio.create_task(self._end_gone(gone)) if gone and can_end else None

    def stop(self) -> None:
        """End nothing more."""
        if self._ending is not None:
            self._ending.cancel()

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note offsets that this worker has committed."""
        self._known.update(offsets)

    async def read(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return committed offsets that no open transaction can change any more; -1 without one.

        Raises:
            BrokerUnavailableError: The brokers did not answer, a transaction does not end, or the offsets
                are older than those that this worker knows.
        """
        if self._ending is not None:
            await asyncio.wait([self._ending])
        for attempt in range(int(BACKWARDS_WITHIN_S / ASK_AGAIN_S)):
            offsets = await self._read_once(tps)
            older = next((tp for tp in offsets if offsets[tp] < self._known.get(tp, -1)), None)
            if older is None:
                self._known.update(offsets)
                return offsets
            refusal = (
                f"{older.topic}[{older.partition}]: Kafka says that {self._member.group} has read up to"
                f" {offsets[older]}, but {self._known[older]} was committed: its coordinator may have to"
                " load its offsets again (see docs/transactions.md)"
            )
            if attempt == 0:
                logger.warning("offsets.older", extra={"stage": self._stage, "reason": refusal})
            await self._sleep(ASK_AGAIN_S)
        raise BrokerUnavailableError(refusal)

    async def _read_once(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        group = self._member.group
        try:
            found = await self._source.group_offsets(group, tps, require_stable=False)
            await self._end_all({each.metadata for each in found.values()})
            found = await self._source.group_offsets(group, tps, require_stable=True)
        except ConcurrentTransactions as error:
            raise BrokerUnavailableError(
                f"offsets of {group} stay pending, because a transaction does not end: see"
                " 'kafka-transactions.sh find-hanging' and docs/transactions.md"
            ) from error
        except KafkaError as error:
            raise unavailable(f"offsets of {group}", error) from error
        return {tp: each.offset for tp, each in found.items()}

    async def _end_gone(self, owners: Collection[str]) -> None:
        try:
            await self._end_all(owners)
        except KafkaError as error:  # the transaction timeout ends what is open
            logger.warning(
                "transaction.not_ended", extra={"stage": self._stage, "reason": repr(error)}
            )

    async def _end_all(self, owners: Collection[str]) -> None:
        """End what ``owners`` left open, unless they may be members."""
        for owner in sorted(owners):
            if self._is_gone(owner) and owner not in self._ended:
                self._ended.add(owner)
                logger.info("transaction.ended", extra={"stage": self._stage, "owner": owner})
                await self._source.end_other(owner)

    def _is_gone(self, owner: str) -> bool:
        # A leader of an older version does not send the ids of the members: then nobody is known.
        group, members = self._member.group, self._member.transactional_ids
        return self._id in members and owner not in members and owner.startswith(f"{group}-")

"""Reads the offsets from which a partition continues, after what its last owners left open has ended."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection.refusals import unavailable
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.group_offsets import GroupOffset

logger = logging.getLogger(__name__)


class OffsetSource(Protocol):
    """The two methods of ``TransactionalProducer`` that are needed here."""

    async def end_other(self, transactional_id: str) -> None: ...  # noqa: D102
    async def group_offsets(  # noqa: D102
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]: ...


class StableOffsets:
    """Reads offsets of one group for one worker (rules 3, 7 and 8 of ``docs/transactions.md``).

    Args:
        source: Asks the brokers.
        stage: For logs.
        transactional_id: The worker's own.
    """

    def __init__(self, source: OffsetSource, *, stage: str, transactional_id: str) -> None:
        self._source, self._stage, self._id = source, stage, transactional_id
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

    async def read(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return committed offsets that no open transaction can change any more; -1 without one.

        Raises:
            BrokerUnavailableError: The brokers did not answer, or a transaction does not end.
        """
        group = self._member.group
        if self._ending is not None:
            await asyncio.wait([self._ending])
        try:
            found = await self._source.group_offsets(group, tps, require_stable=False)
            await self._end_all({each.metadata for each in found.values()})
            found = await self._source.group_offsets(group, tps, require_stable=True)
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

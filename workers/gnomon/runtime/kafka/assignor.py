"""Who reads which partition numbers: the same of every topic, and who has some keeps them.

Kafka's range assignor goes by member ids, which are random: who joins then often swaps partitions
with another, and both rebuild state that one of them had.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


class OwnedPartitions(msgspec.Struct, frozen=True):
    """The partition numbers a member was given, and in which round; 0 if never."""

    round: int = 0
    numbers: tuple[int, ...] = ()


def assign_partitions(
    numbers: Sequence[int], claims: Mapping[str, OwnedPartitions]
) -> dict[str, list[int]]:
    """Give each of ``numbers`` to one member, evenly to within one.

    A member keeps what it claims, up to its assign_partitions. Of two that claim the same, one was away while
    the other was given it, so the later round wins.

    Args:
        numbers: Partition numbers.
        claims: What each member has, by member id; at least one member.

    Returns:
        Numbers by member id, ascending.
    """
    least, extra = divmod(len(numbers), len(claims))
    free = set(numbers)
    given: dict[str, list[int]] = {}
    # Who has most comes first among equals, so that what is left over stays where it is.
    order = sorted(claims, key=lambda m: (-claims[m].round, -len(claims[m].numbers), m))
    for member in order:
        kept = sorted(free.intersection(claims[member].numbers))[: least + (extra > 0)]
        extra -= len(kept) > least
        free.difference_update(kept)
        given[member] = kept
    left = sorted(free, reverse=True)
    for member in order:
        while left and len(given[member]) < least:
            given[member].append(left.pop())
    for member in order:
        if left and len(given[member]) == least:
            given[member].append(left.pop())
    return {member: sorted(kept) for member, kept in given.items()}


class StickyAssignor:
    """aiokafka's interface of an assignor; one for each consumer, as it remembers what that has."""

    name = "gnomon-keeping"
    version = 0

    def __init__(self) -> None:
        self._mine = OwnedPartitions()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells the leader."""
        return ConsumerProtocolMemberMetadata(
            self.version, list(topics), msgspec.json.encode(self._mine)
        )

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """What each member is to read, as the leader decides."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        partitions = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        claims = {member: _claim(metadata.user_data) for member, metadata in members.items()}
        this_round = 1 + max(claim.round for claim in claims.values())
        shares = assign_partitions(sorted(set().union(*partitions.values())), claims)
        return {
            member: ConsumerProtocolMemberAssignment(
                self.version,
                [(topic, [n for n in numbers if n in partitions[topic]]) for topic in topics],
                msgspec.json.encode(OwnedPartitions(this_round, tuple(numbers))),
            )
            for member, numbers in shares.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member was given."""
        self._mine = _claim(assignment.user_data)


def _claim(raw: bytes | None) -> OwnedPartitions:
    """What a member claims: nothing if it cannot be read, so that it is merely given anew."""
    try:
        return msgspec.json.decode(raw or b"{}", type=OwnedPartitions)
    except msgspec.DecodeError:
        return OwnedPartitions()

"""A sticky assignor: members keep their partitions, and own the same numbers in every topic.

Kafka's range assignor orders members by their ids, which are random. A member that joins then often
swaps partitions with another, and both rebuild state that one of them already had.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


class OwnedPartitions(msgspec.Struct, frozen=True):
    """The partition numbers a member was assigned, and in which round of assignment; 0 if never.

    A member reports its transactional id too, and the leader sends those of all members back.
    """

    round: int = 0
    numbers: tuple[int, ...] = ()
    transactional_id: str = ""
    members: tuple[str, ...] = ()


def assign_partitions(
    numbers: Sequence[int], owned: Mapping[str, OwnedPartitions]
) -> dict[str, list[int]]:
    """Assign each of ``numbers`` to one member; the members' counts differ by one at most.

    A member keeps what it owned, up to its even share. When two members report the same partition,
    one of them missed an assignment, so the later round wins.

    Args:
        numbers: Partition numbers.
        owned: What each member owned before, by member id; at least one member.

    Returns:
        Numbers by member id, ascending.
    """
    least, extra = divmod(len(numbers), len(owned))
    free = set(numbers)
    assigned: dict[str, list[int]] = {}
    # Among equals the member with most partitions is first, so that it keeps one more than the rest.
    order = sorted(owned, key=lambda m: (-owned[m].round, -len(owned[m].numbers), m))
    for member in order:
        kept = sorted(free.intersection(owned[member].numbers))[: least + (extra > 0)]
        extra -= len(kept) > least
        free.difference_update(kept)
        assigned[member] = kept
    left = sorted(free, reverse=True)
    for member in order:
        while left and len(assigned[member]) < least:
            assigned[member].append(left.pop())
    for member in order:
        if left and len(assigned[member]) == least:
            assigned[member].append(left.pop())
    return {member: sorted(kept) for member, kept in assigned.items()}


class StickyAssignor:
    """An assignor for aiokafka; each consumer needs its own, which remembers what that consumer owns.

    Args:
        transactional_id: Of the worker.
    """

    name = "gnomon-keeping"
    version = 0

    def __init__(self, transactional_id: str = "") -> None:
        self._transactional_id = transactional_id
        self._owned = OwnedPartitions()

    @property
    def members(self) -> frozenset[str]:
        """The transactional ids of all members, by the last assignment."""
        return frozenset(self._owned.members)

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Build what this member reports to the group leader."""
        report = OwnedPartitions(self._owned.round, self._owned.numbers, self._transactional_id)
        return ConsumerProtocolMemberMetadata(
            self.version, list(topics), msgspec.json.encode(report)
        )

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Assign partitions to all members; called on the group leader."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        partitions = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        owned = {member: _parse_owned(meta.user_data) for member, meta in members.items()}
        this_round = 1 + max(each.round for each in owned.values())
        ids = tuple(sorted({each.transactional_id for each in owned.values()} - {""}))
        shares = assign_partitions(sorted(set().union(*partitions.values())), owned)
        return {
            member: ConsumerProtocolMemberAssignment(
                self.version,
                [(topic, [n for n in numbers if n in partitions[topic]]) for topic in topics],
                msgspec.json.encode(OwnedPartitions(this_round, tuple(numbers), members=ids)),
            )
            for member, numbers in shares.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member was assigned."""
        self._owned = _parse_owned(assignment.user_data)


def _parse_owned(raw: bytes | None) -> OwnedPartitions:
    """Decode a member's report; one that cannot be read counts as owning nothing."""
    try:
        return msgspec.json.decode(raw or b"{}", type=OwnedPartitions)
    except msgspec.DecodeError:
        return OwnedPartitions()

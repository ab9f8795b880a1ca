"""What a worker knows of its consumer group: it goes with the offsets that the worker commits."""

from typing import NamedTuple


class GroupMember(NamedTuple):
    """A member of a consumer group, in one generation.

    Attributes:
        group: Consumer group.
        generation: Number of the assignment; -1 outside any.
        member_id: As the group coordinator gave it; empty outside any generation.
        instance_id: Of a static member (KIP-345), else ``None``.
        transactional_ids: Of all members of the generation; empty if the group's leader did not send
            them.
    """

    group: str
    generation: int = -1
    member_id: str = ""
    instance_id: str | None = None
    transactional_ids: frozenset[str] = frozenset()

    @property
    def is_fenced(self) -> bool:
        """Whether Kafka checks offsets that are committed with it: without a member id it does not."""
        return self.generation >= 0 and bool(self.member_id)

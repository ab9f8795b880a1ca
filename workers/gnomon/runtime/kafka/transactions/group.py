"""What a worker knows of its consumer group: it goes with the offsets that the worker commits."""

import asyncio
from typing import Final, NamedTuple

from gnomon.errors import FencedError

NEXT_GENERATION_S: Final = 30.0
"""How long a refused transaction waits for the group's next assignment before it is given up."""


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


class Membership:
    """The worker's membership in its group, which changes with each generation."""

    def __init__(self, group: str) -> None:
        self._member = GroupMember(group)
        self._changed = asyncio.Event()

    def joined(self, member: GroupMember) -> None:
        """Use ``member`` from now on."""
        self._member = member
        self._changed.set()

    async def wait(self, *, newer_than: GroupMember | None) -> GroupMember:
        """Return the membership; waits for one that Kafka checks (rule 1 of ``docs/transactions.md``).

        Args:
            newer_than: A membership that was refused.

        Raises:
            FencedError: The group has not assigned anything for ``NEXT_GENERATION_S``.
        """
        try:
            async with asyncio.timeout(NEXT_GENERATION_S):
                while self._member == newer_than or not self._member.is_fenced:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise FencedError(f"not a member of {self._member.group}") from error
        return self._member

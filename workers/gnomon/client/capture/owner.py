"""What a task needs of the client it belongs to."""

from typing import Protocol

from gnomon.client.delivery.buffer import Buffer, Later


class Owner(Protocol):
    """Where a task's events go. None of it raises.

    Attributes:
        buffer: Takes them in.
        id_prefix: Of the ids made in this process.
        serial: The number of the latest of them.
        names: Types and agents that have been found good.
    """

    buffer: Buffer
    id_prefix: str
    serial: int
    names: set[str]

    def learn(self, name: object) -> bool:
        """Whether ``name`` can be a type or an agent; counts one that cannot."""
        ...

    def offer_large(self, *events: Later, start: bool) -> bool:
        """Take in the first of these that is small enough to be sent."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...

"""The part of a client that its tasks use."""

from typing import Protocol

from gnomon.client.delivery.admission import DeferredRecord
from gnomon.client.delivery.buffer import Buffer


class TaskSink(Protocol):
    """Takes a task's events. None of its methods raises.

    Attributes:
        buffer: Where the events go.
        id_prefix: Prefix of the task ids made in this process.
        serial: Number of the latest of those ids.
        names: Task types and agent ids that have been checked.
    """

    buffer: Buffer
    id_prefix: str
    serial: int
    names: set[str]

    def learn(self, name: object) -> bool:
        """Return whether ``name`` can be a task type or an agent id; count one that cannot."""
        ...

    def offer_large(self, *events: DeferredRecord, start: bool) -> bool:
        """Take in the first of ``events`` that is small enough to be sent."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...

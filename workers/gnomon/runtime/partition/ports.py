"""What the runtime needs of a stage, and of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from gnomon.records import Outputs, SourceRecord

State = TypeVar("State")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRef:
    """Where one partition of a stage lives.

    Attributes:
        brokers: ``host:port``, comma-separated.
        group: Consumer group of the stage.
        prefix: Before every topic name.
        partition: Its number, the same in every topic.
    """

    brokers: str
    group: str
    prefix: str
    partition: int


class Stage(Protocol[State]):
    """One stage: a batch function over one partition's state, and its life cycle.

    The runtime calls everything on one event loop, ``apply`` for one batch of a partition at a
    time. ``apply`` is given each record exactly once in the order of its topic; it may change
    ``state`` in place. Records of different topics come in any order.
    """

    @property
    def name(self) -> str:
        """Word used in groups, metrics and logs."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Base names of the topics it reads, all co-partitioned."""
        ...

    @property
    def stateful(self) -> bool:
        """Whether state is rebuilt on assignment; if not, it is never saved either."""
        ...

    @property
    def linger_ms(self) -> int:
        """How long records wait at the broker to share a transaction, for each partition owned.

        Only while many come; see ``gnomon.runtime.kafka.fetch_pacing``.
        """
        ...

    @property
    def nice(self) -> int:
        """Of its process beside other stages on one machine (``os.nice``): 0 where somebody waits."""
        ...

    async def start(self) -> None:
        """Acquire what the stage needs.

        Raises:
            ConfigurationError: It can never work as configured.
        """
        ...

    async def stop(self) -> None:
        """Release it; called once, also after a failed start."""
        ...

    def new_state(self, partition: int) -> State:
        """The state before the first record."""
        ...

    async def apply(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Fold ``records`` into ``state`` and say what to write.

        Anything raised but the errors below is about one of ``records``: the runtime puts the
        state back, finds the record and makes a dead letter of it.

        Raises:
            TransientError: Try the same batch again later; ``state`` is unchanged.
            ConfigurationError: Stop the process.
        """
        ...

    def tick(self, state: State, idle_ms: int) -> Outputs | None:
        """What the mere passing of time leads to, ``idle_ms`` after the last record."""
        ...

    def snapshot(self, state: State) -> bytes:
        """Everything needed to go on from here."""
        ...

    def restore(self, partition: int, data: bytes) -> State:
        """The state that ``snapshot`` wrote.

        Raises:
            ValueError: ``data`` is corrupt or of another version.
        """
        ...

    def status(self) -> Mapping[str, object]:
        """Facts for ``/status``: small, no payload."""
        ...


@runtime_checkable
class LagAware(Protocol):
    """A stage that wants to know how far behind it is."""

    def behind(self, partition: int, records: int) -> None:
        """Told before each ``apply`` how many records wait, those of the batch included.

        The end of the log is asked for every few seconds, so it may be more by now.
        """
        ...

"""Interfaces between the runtime and a stage, and between the work on a partition and Kafka."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from gnomon.connection import KafkaConnection
from gnomon.records import Outputs, SourceRecord
from gnomon.steps import Steps

State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRef:
    """Identifies one partition of a stage.

    Attributes:
        kafka: The cluster.
        group: Consumer group of the stage.
        prefix: Of every topic name.
        partition: Partition number, the same in every input topic.
    """

    kafka: KafkaConnection
    group: str
    prefix: str
    partition: int


class Stage(Protocol[State]):
    """One stage: a batch function over the state of one partition, and a life cycle.

    The runtime calls all methods on one event loop, and ``apply`` for one batch of a partition at a
    time. ``apply`` receives each record exactly once, in the order of its topic; records of different
    topics come in any order. It may change ``state`` in place.
    """

    @property
    def name(self) -> str:
        """Name in consumer groups, metrics and logs."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Base names of the input topics, all with the same number of partitions."""
        ...

    @property
    def stateful(self) -> bool:
        """Whether the state is saved in snapshots and rebuilt on assignment."""
        ...

    @property
    def linger_ms(self) -> int:
        """How long records wait at the broker to share a transaction.

        They wait only under load: see ``gnomon.runtime.kafka.fetch_pacing``.
        """
        ...

    @property
    def nice(self) -> int:
        """Niceness of its process where all stages share a machine; 0 if users wait for its output."""
        ...

    async def start(self) -> None:
        """Acquire resources.

        Raises:
            ConfigurationError: The stage can never work as configured.
        """
        ...

    async def stop(self) -> None:
        """Release resources; called once, also after a failed start."""
        ...

    def new_state(self, partition: int) -> State:
        """Return the state before the first record."""
        ...

    async def apply(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Fold ``records`` into ``state`` and return what to write.

        Any exception but the errors below is about one of ``records``: the runtime restores the
        state, finds the record and makes a dead letter of it.

        Raises:
            TransientError: The same batch may succeed later; ``state`` is unchanged.
            ConfigurationError: The process must stop.
        """
        ...

    def tick(self, state: State, idle_ms: int) -> Outputs | None:
        """Return what the passing of time alone leads to, ``idle_ms`` after the last record."""
        ...

    def snapshot(self, state: State) -> bytes:
        """Serialise the state."""
        ...

    def restore(self, partition: int, data: bytes) -> State:
        """Return the state that ``snapshot`` serialised.

        Raises:
            ValueError: ``data`` is corrupt or of another version.
        """
        ...

    def status(self) -> Mapping[str, object]:
        """Return small facts for ``/status``, without payloads."""
        ...


@runtime_checkable
class LagAware(Protocol):
    """A stage that receives its lag."""

    def observe_lag(self, partition: int, records: int) -> None:
        """Receive, before each ``apply``, how many records wait, those of the batch included.

        The end of the log is a few seconds old, so more records may wait by now.
        """
        ...


@runtime_checkable
class NamesOutputs(Protocol):
    """A stage that says where it writes by the number of the input partition."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Base names of topics with at least as many partitions as the inputs."""
        ...


@runtime_checkable
class HasTickPeriod(Protocol):
    """A stage that chooses how often its ``tick`` is called."""

    @property
    def tick_every_s(self) -> float:
        """Seconds from one tick to the next, at least."""
        ...


class OutputWriter(Protocol):
    """Writes the outputs of one partition."""

    def revoke(self) -> None:
        """Refuse all writes from now on, and those that are not in a transaction yet."""
        ...

    async def begin(self, outputs: Outputs, offsets: Mapping[str, int]) -> asyncio.Future[None]:
        """Hand over ``outputs`` and ``offsets`` for a transaction that has all of them or none.

        Args:
            outputs: Records by base topic name.
            offsets: Next offset to read, by full topic name; never empty, because only offsets make
                Kafka check that the worker owns the partition.

        Returns:
            A future that ends when the transaction is committed, or with one of the errors below.
            The caller may cancel it: outputs that are not in a transaction yet are dropped then.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: A topic refuses a batch because of its size.
            BrokerUnavailableError: The transaction could not be completed.
        """
        ...

    async def write(self, outputs: Outputs, offsets: Mapping[str, int]) -> None:
        """Do as ``begin`` does, and wait until the transaction is committed."""
        ...


RecordIds = frozenset[tuple[str, int]]
"""Full topic name and offset of each record."""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What is known of the logs of one partition number, by full topic name.

    Attributes:
        logs: Their ids; empty if the brokers have none.
        beginnings: Offset of the first record that retention has left.
    """

    logs: Mapping[str, str]
    beginnings: Mapping[str, int]


class PartitionLog(Protocol):
    """The committed records of one partition number, as recovery reads them."""

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """Return the next offset to read by topic: as committed, or where the log begins.

        Raises:
            BrokerUnavailableError: The brokers did not answer.
            LostRecordsError: An offset was committed that is beyond the end of its log.
        """
        ...

    async def describe(self, topics: Sequence[str]) -> LogFacts:
        """Return the facts of the logs of ``topics``.

        Raises:
            BrokerUnavailableError: The brokers did not answer.
        """
        ...

    async def older_than(self, topics: Sequence[str], at_ms: int) -> bool:
        """Return whether each of ``topics`` has a record that was written before ``at_ms``, epoch ms.

        Raises:
            BrokerUnavailableError: The brokers did not answer.
        """
        ...

    def read(
        self, *, start: Mapping[str, int], end: Mapping[str, int]
    ) -> AsyncGenerator[list[SourceRecord], None]:
        """Yield the records from ``start`` up to but without ``end``, in batches of one topic.

        Topics take turns by the time of their records. Offsets that retention has removed, and
        records of aborted transactions, are skipped.

        Raises:
            BrokerUnavailableError: No broker answers.
        """
        ...

    async def read_quarantined(self, *, stage: str, since_ms: int) -> RecordIds:
        """Return the records that ``stage`` has quarantined, at or after ``since_ms``.

        Raises:
            BrokerUnavailableError: The brokers did not answer.
        """
        ...


@runtime_checkable
class SnapshotsInSteps(Protocol[State_contra]):
    """A stage whose states can be so large that to serialise one would hold up the event loop."""

    def snapshot_steps(self, state: State_contra) -> Steps:
        """Serialise the state in steps of about a millisecond; it is not changed meanwhile."""
        ...


@runtime_checkable
class CanMissRecords(Protocol[State_contra]):
    """A stage whose outputs say whether its state has seen all records."""

    def missed(self, state: State_contra, records: int) -> None:
        """Note in ``state`` that up to ``records`` records, before the next one, were never read."""
        ...


@runtime_checkable
class KeepsStates(Protocol):
    """A stage that keeps the states it has made, by partition."""

    def give_up(self, partition: int) -> None:
        """Forget the state of a partition: another worker has it from now on, or it is made anew."""
        ...


@runtime_checkable
class CanBeDegraded(Protocol):
    """A stage that can go on with less than it should have, such as models without a registry."""

    def degraded(self) -> Sequence[str]:
        """Return what it lacks, a sentence each; nothing if it lacks nothing."""
        ...

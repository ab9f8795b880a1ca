"""How the topics of a cluster differ from the contract, and how to correct each difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gnomon.topics import TOPICS, Topic

AS_IN_CONTRACT: Mapping[str, int] = MappingProxyType({})
"""Every topic keeps its records for as long as the contract says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """One topic as configured on the cluster. ``name`` includes the prefix."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference from the contract.

    Attributes:
        topic: Name, with the prefix.
        what: ``topic``, ``partitions``, ``replication`` or the name of a setting.
        remedy: How to correct it.
    """

    topic: str
    what: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, expected {self.expected}. {self.remedy}"


def compare(
    states: Sequence[TopicState],
    *,
    prefix: str,
    partitions: int,
    replication: int,
    retention_ms: Mapping[str, int] = AS_IN_CONTRACT,
) -> list[Difference]:
    """Compare ``states`` with the contract.

    Args:
        states: The topics that exist.
        prefix: Of every name.
        partitions: Of each topic.
        replication: Copies of each partition.
        retention_ms: How long topics keep records, where it differs from the contract.
    """
    found = {state.name: state for state in states}
    return [
        difference
        for topic in TOPICS
        for difference in _differences(
            topic,
            found.get(prefix + topic.name),
            name=prefix + topic.name,
            partitions=partitions,
            replication=replication,
            retention_ms=retention_ms.get(topic.name),
        )
    ]


def _differences(
    topic: Topic,
    state: TopicState | None,
    *,
    name: str,
    partitions: int,
    replication: int,
    retention_ms: int | None,
) -> list[Difference]:
    def difference(what: str, expected: object, found: object, remedy: str) -> Difference:
        return Difference(
            topic=name, what=what, expected=str(expected), found=str(found), remedy=remedy
        )

    if state is None:
        return [difference("topic", "there", "missing", "Run: gnomon topics create")]
    differences = []
    if state.partitions != partitions:
        remedy = (
            "All topics need the same number, and keys move when it changes: check with"
            f" --partitions {state.partitions}, or delete this topic and run: gnomon topics create"
        )
        differences.append(difference("partitions", partitions, state.partitions, remedy))
    if state.replication != replication:
        remedy = (
            "Change it with kafka-reassign-partitions.sh,"
            f" or check with --replication {state.replication}"
        )
        differences.append(difference("replication", replication, state.replication, remedy))
    for key, value in topic.config(retention_ms=retention_ms).items():
        if state.config.get(key) != value:
            remedy = (
                f"Run: kafka-configs.sh --bootstrap-server … --alter --entity-type topics"
                f" --entity-name {name} --add-config {key}={value}"
            )
            differences.append(difference(key, value, state.config.get(key, "unset"), remedy))
    return differences

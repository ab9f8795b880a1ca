"""The least rights on a Kafka cluster of each role, and how two tools are told to grant them.

A right to read or write includes that to describe, so no line says the latter twice.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gnomon.contract.asyncapi import PARTICIPANTS, Participant
from gnomon.topics import (
    AUDIT,
    CONTROL,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS_ID,
    INTERVAL_CORRECTIONS,
    TASK_EVENTS,
    TOPICS,
    VERDICT_EVIDENCE,
    group_of,
)

Role = Literal["agent", "worker", "collector", "operator", "reader", "replay"]
ROLES: Final[Mapping[Role, str]] = {
    "agent": "what agents and the gateway publish with",
    "worker": "all stages but the collector",
    "collector": "the optional stage that reads spans",
    "operator": "topics create, models, keys, dead-letters redrive, and all that a reader may",
    "reader": "status, tail and dashboards; not the sealed decisions",
    "replay": "gnomon replay --brokers: topics, groups and transactions of its own prefix",
}
Resource = Literal["topic", "group", "transactional-id"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]

COLLECTOR_INPUT: Final = "otlp_spans"
REPLAYS: Final = "replay-"
"""What the names of all that a replay makes begin with, after the prefix of the installation."""
_FOLLOWED: Final = {
    "shadow": (CONTROL, INTERVAL_CORRECTIONS),
    "comparison": (VERDICT_EVIDENCE,),
}
"""Topics that a stage reads beside its inputs: without its group, from their beginning."""


@dataclass(frozen=True, slots=True)
class Right:
    """What a user may do with one resource.

    Attributes:
        resource: Kind of the resource.
        name: Its name, or what its name begins with.
        operations: What the user may do.
        prefixed: Whether ``name`` is a beginning.
    """

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def rights_of(role: Role, *, prefix: str) -> list[Right]:
    """Return the least rights of ``role``, for topics and groups with ``prefix``."""
    match role:
        case "agent":
            (agent,) = (each for each in PARTICIPANTS if each.name == "agent")
            return _topics(prefix, writes=[topic.name for topic in agent.sends])
        case "worker":
            return _rights_of_stages(prefix)
        case "collector":
            reads, writes = [COLLECTOR_INPUT], [TASK_EVENTS.name, DEAD_LETTERS.name]
            return [*_topics(prefix, reads=reads, writes=writes), *_stage("collector", prefix)]
        case "operator":
            return _rights_of_operator(prefix)
        case "replay":
            own = prefix + REPLAYS
            return [
                Right("topic", own, ("Read", "Write", "Create", "DescribeConfigs"), prefixed=True),
                Right("group", own, ("Read",), prefixed=True),
                Right("transactional-id", own, ("Write",), prefixed=True),
            ]
        case "reader":
            looks = [
                Right(
                    "topic",
                    prefix + topic.name,
                    ("Describe" if topic is DECISIONS else "Read", "DescribeConfigs"),
                )
                for topic in TOPICS
            ]
            spans = Right("topic", prefix + COLLECTOR_INPUT, ("Read",))
            return [*looks, spans, *_groups(prefix)]


def _stages() -> list[Participant]:
    return [each for each in PARTICIPANTS if each.receives]


def _rights_of_stages(prefix: str) -> list[Right]:
    reads, writes = [DEAD_LETTERS.name], []  # a stage looks up what it has refused before
    for stage in _stages():
        reads += [topic.name for topic in (*stage.receives, *_FOLLOWED.get(stage.name, ()))]
        writes += [topic.name for topic in stage.sends]
    of_groups = [right for stage in _stages() for right in _stage(stage.name, prefix)]
    return [*_topics(prefix, reads=reads, writes=writes), *of_groups]


def _rights_of_operator(prefix: str) -> list[Right]:
    redriven = {topic.name for stage in _stages() for topic in stage.receives} | {COLLECTOR_INPUT}
    written = {CONTROL.name, AUDIT.name, *redriven}
    every = [
        Right(
            "topic",
            prefix + topic.name,
            (
                "Read",
                *(("Write",) if topic.name in written else ()),
                "Create",
                "DescribeConfigs",
            ),
        )
        for topic in TOPICS
    ]
    return [
        *every,
        Right("topic", prefix + COLLECTOR_INPUT, ("Read", "Write")),
        *_groups(prefix),
        Right("transactional-id", prefix + INTENTS_ID, ("Write",), prefixed=True),
    ]


def _topics(prefix: str, *, reads: Sequence[str] = (), writes: Sequence[str]) -> list[Right]:
    wanted: dict[str, dict[Operation, None]] = {}
    for operation, names in (("Read", reads), ("Write", writes)):
        for name in names:
            wanted.setdefault(name, {})[operation] = None  # type: ignore[index]
    return [Right("topic", prefix + name, tuple(wanted[name])) for name in sorted(wanted)]


def _stage(name: str, prefix: str) -> list[Right]:
    """A worker commits for its group, and ends what other workers of the stage left open."""
    group = group_of(name, prefix)
    return [
        Right("group", group, ("Read",)),
        Right("transactional-id", f"{group}-", ("Write",), prefixed=True),
    ]


def _groups(prefix: str) -> list[Right]:
    names = [*(stage.name for stage in _stages()), "collector"]
    return [Right("group", group_of(name, prefix), ("Describe",)) for name in names]


def as_kafka_acls(rights: Sequence[Right], *, principal: str) -> Iterator[str]:
    """Yield a line of ``kafka-acls.sh`` for each right.

    Args:
        rights: What to grant.
        principal: To whom, such as ``User:agent``.
    """
    for right in rights:
        words = ["kafka-acls.sh", "--bootstrap-server", "$BROKERS", "--command-config", "$ADMIN"]
        words += ["--add", "--allow-principal", principal]
        for operation in right.operations:
            words += ["--operation", operation]
        words += [f"--{right.resource}", right.name]
        if right.prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        yield " ".join(word if word.startswith("$") else shlex.quote(word) for word in words)


def as_strimzi(rights: Sequence[Right], *, user: str) -> Iterator[str]:
    """Yield the lines of a ``KafkaUser`` of Strimzi that logs in by SCRAM-SHA-512.

    Args:
        rights: What to grant.
        user: Name of the user.
    """
    yield from (
        "apiVersion: kafka.strimzi.io/v1beta2",
        "kind: KafkaUser",
        "metadata:",
        f"  name: {user}",
        "  labels:",
        "    strimzi.io/cluster: my-cluster  # the name of your cluster",
        "spec:",
        "  authentication:",
        "    type: scram-sha-512",
        "  authorization:",
        "    type: simple",
        "    acls:",
    )
    for right in rights:
        kind = "transactionalId" if right.resource == "transactional-id" else right.resource
        pattern = "prefix" if right.prefixed else "literal"
        yield f"      - resource: {{type: {kind}, name: {right.name}, patternType: {pattern}}}"
        yield f"        operations: [{', '.join(right.operations)}]"

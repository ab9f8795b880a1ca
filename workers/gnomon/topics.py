"""Every topic that gnomon uses: its key, its records, and its settings on the broker."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from gnomon import events
from gnomon.errors import ConfigurationError

DAY_MS = 86_400_000
MAX_EVENT_BYTES = 65_536
"""Largest task event that a client sends or a stage reads; a larger one becomes a dead letter."""
DEFAULT_PARTITIONS = 4
"""Default number of partitions. All topics of an installation have the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic.

    Attributes:
        name: Name without the installation's prefix.
        key: What its records are keyed by.
        about: What its records are.
        events: Kinds of its records; none if the records are not events.
        cleanup: Kafka's ``cleanup.policy``.
        retention_ms: Kafka's ``retention.ms``, if records are deleted by age.
        log_append_time: Whether timestamps are set by the broker instead of the producer.
        max_message_bytes: Kafka's ``max.message.bytes``.
    """

    name: str
    key: str
    about: str
    events: tuple[type[msgspec.Struct], ...]
    cleanup: str = "delete"
    retention_ms: int = 7 * DAY_MS
    log_append_time: bool = False
    max_message_bytes: int = 1_048_588

    def config(self, *, retention_ms: int | None = None) -> Mapping[str, str]:
        """Return the topic's settings by their names in Kafka; ``retention_ms`` replaces its own."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
        }
        if self.cleanup == "delete":
            kept_ms = self.retention_ms if retention_ms is None else retention_ms
            settings["retention.ms"] = str(kept_ms)
        return MappingProxyType(settings)


TASK_EVENTS = Topic(
    name="task-events",
    key="agent_id",
    about="Starts and ends of agents' tasks. Timestamps are the broker's, so replays are kept too.",
    events=(events.TaskStarted, events.TaskFinished, events.TaskCancelled),
    log_append_time=True,
)
TASK_FEATURES = Topic(
    name="task-features",
    key="agent_id",
    about="Each started task with its feature vector at the start.",
    events=(events.TaskFeatures,),
)
AGENT_FEATURES = Topic(
    name="agent-features",
    key="agent_id",
    about="The latest rolling features of each agent; they decay while the agent is silent.",
    events=(events.AgentFeatures,),
    cleanup="compact",
)
SHADOW_PREDICTIONS = Topic(
    name="shadow-predictions",
    key="agent_id",
    about="Predictions, each of one model version for one task.",
    events=(events.Prediction, events.PredictionShed),
)
COMPARISONS = Topic(
    name="comparisons",
    key="agent_id",
    about="Each task with its predictions and its outcome, or the reason why there is none.",
    events=(events.Comparison,),
)
COMPARISON_METRICS = Topic(
    name="comparison-metrics",
    key="model, slice, window and partition",
    about="Rolling metrics of each model version, and the ledger, by partition; both can be summed.",
    events=(events.Ledger, events.ModelMetrics),
    cleanup="compact",
)
DECISIONS = Topic(
    name="decisions",
    key="decision_id",
    about="Encrypted decisions.",
    events=(events.SealedDecision,),
    retention_ms=365 * DAY_MS,
)
AUDIT = Topic(
    name="audit",
    key="event_id",
    about="Who opened sealed decisions, or changed or destroyed their keys.",
    events=(events.AuditEvent,),
    retention_ms=3_650 * DAY_MS,
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="source key",
    about="Unchanged records that no stage can process; the headers state their source and the reason.",
    events=(),
    retention_ms=14 * DAY_MS,
    max_message_bytes=8_388_608,
)
CONTROL = Topic(
    name="control",
    key="model and alias",
    about="Requests that change which model versions are live, with their time and author.",
    events=(events.ModelIntent,),
    cleanup="compact",
)
MODEL_SWITCHES = Topic(
    name="model-switches",
    key="partition of task-features",
    about="Which model versions predict from which offset on.",
    events=(events.ModelSwitched,),
    retention_ms=365 * DAY_MS,
)
CLIENT_STATS = Topic(
    name="client-stats",
    key="producer_id, and partition for records of workers",
    about="Counts of each client process: what it sent, and what the workers have read of it.",
    events=(events.ClientStats, events.ClientSeen),
    cleanup="compact",
)
EXPOSURES = Topic(
    name="exposures",
    key="unit",
    about="Which variant an experiment's unit was given, once for each process that met the unit.",
    events=(events.Exposure,),
    retention_ms=30 * DAY_MS,
)
INTERVAL_CORRECTIONS = Topic(
    name="interval-corrections",
    key="sha256, bucket, level and partition",
    about="By how much each model version's intervals must be wider or narrower, latest.",
    events=(events.IntervalCorrection,),
    cleanup="compact",
)
VERDICT_EVIDENCE = Topic(
    name="verdict-evidence",
    key="model, hour or all, and partition",
    about="Sums from which the verdict on each model version is computed, by partition, latest.",
    events=(events.VerdictExperiment, events.ModelEvidence, events.HourEvidence),
    cleanup="compact",
)
VAULT_ROOTS = Topic(
    name="vault-roots",
    key="partition and hour; partition for the head",
    about="Merkle roots over the sealed decisions, by partition and hour, and the sums of them, latest.",
    events=(events.VaultRoot, events.VaultHead),
    cleanup="compact",
)

TOPICS: tuple[Topic, ...] = (
    TASK_EVENTS,
    TASK_FEATURES,
    AGENT_FEATURES,
    SHADOW_PREDICTIONS,
    COMPARISONS,
    COMPARISON_METRICS,
    DECISIONS,
    AUDIT,
    DEAD_LETTERS,
    CONTROL,
    MODEL_SWITCHES,
    CLIENT_STATS,
    EXPOSURES,
    INTERVAL_CORRECTIONS,
    VERDICT_EVIDENCE,
    VAULT_ROOTS,
)
BY_NAME: Mapping[str, Topic] = MappingProxyType({topic.name: topic for topic in TOPICS})


_UNITS_MS: Mapping[str, int] = MappingProxyType({"h": 3_600_000, "d": DAY_MS})
_RETENTION = re.compile(r"(?P<topic>[\w-]+)=(?:(?P<count>[1-9]\d{0,5})(?P<unit>[hd])|forever)")


def retention_by_topic(text: str) -> Mapping[str, int]:
    """Return how long topics keep records, in ms, from ``task-events=30d,dead-letters=12h``.

    ``forever`` is -1, as in Kafka.

    Raises:
        ConfigurationError: A part is no topic that deletes by age with a time.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _RETENTION.fullmatch(part)
        topic = BY_NAME.get(match["topic"]) if match else None
        if match is None or topic is None or topic.cleanup != "delete":
            names = ", ".join(topic.name for topic in TOPICS if topic.cleanup == "delete")
            raise ConfigurationError(
                f"retention must be TOPIC=TIME, such as task-events=30d, 12h or forever, got {part!r};"
                f" topics that delete by age: {names}"
            )
        count = match["count"]
        found[topic.name] = int(count) * _UNITS_MS[match["unit"]] if count else -1
    return MappingProxyType(found)


INTENTS_ID = "gnomon-intents-"
"""Beginning of the transactional ids of commands that write to ``control``, after the prefix."""


def group_of(stage: str, prefix: str) -> str:
    """Name the consumer group of a stage, with the installation's topic prefix."""
    return f"{prefix}gnomon-{stage}"

"""Reads from model-switches which versions predict, and why others that should predict do not."""

import logging
from collections.abc import Iterable
from typing import Literal

import msgspec

from gnomon.connection import KafkaConnection
from gnomon.errors import ConfigurationError
from gnomon.events import ModelSwitched
from gnomon.runtime.kafka.reading import partitions_of, read_topic
from gnomon.topics import MODEL_SWITCHES

_decode = msgspec.json.Decoder(ModelSwitched).decode


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """What one version does in some partitions.

    Attributes:
        sha256: Of the model file; ``None`` if it is not known.
        state: ``predicts``, or why it does not: ``refused``, ``waiting`` (it cannot be loaded for
            now) or ``skipped`` (its calls went wrong again and again).
        reason: The reason in the partition that told it last; ``None`` of a version that predicts.
        partitions: Where.
        since_ms: When the last of these partitions told it, epoch milliseconds.
    """

    model: str
    version: str
    sha256: str | None
    state: Literal["predicts", "refused", "waiting", "skipped"]
    reason: str | None
    partitions: list[int]
    since_ms: int

    def sentence(self, partitions: int) -> str:
        """Return the state for people; ``partitions`` is the number of partitions that are known."""
        where = "" if len(self.partitions) == partitions else f" in partitions {self.partitions}"
        why = "" if self.reason is None else f": {self.reason}"
        # A terminal executes control characters, and a reason may quote a foreign file.
        return "".join(c if c.isprintable() else "?" for c in f"{self.state}{where}{why}")


def states_of(switches: Iterable[ModelSwitched]) -> list[VersionState]:
    """Combine the newest record of each partition.

    Returns:
        One entry for each version and state, by version and then state.
    """
    found: dict[tuple[str, str, str | None, str], VersionState] = {}
    for switched in sorted(switches, key=lambda each: (each.at_ms, each.partition)):
        rows: list[tuple[str, str, str | None, str, str | None]] = [
            (m.model, m.version, m.sha256, "predicts", None) for m in switched.models
        ]
        rows += [(m.model, m.version, m.sha256, m.state, m.reason) for m in switched.absent]
        for model, version, sha256, state, reason in rows:
            before = found.get((model, version, sha256, state))
            partitions = [] if before is None else before.partitions
            found[model, version, sha256, state] = msgspec.convert(
                {
                    "model": model,
                    "version": version,
                    "sha256": sha256,
                    "state": state,
                    "reason": reason,
                    "partitions": sorted({*partitions, switched.partition}),
                    "since_ms": switched.at_ms,
                },
                VersionState,
            )
    return sorted(found.values(), key=lambda s: (s.model, len(s.version), s.version, s.state))


async def read_switches(*, kafka: KafkaConnection, prefix: str) -> list[ModelSwitched]:
    """Return the newest record of each partition; none before a shadow worker has run.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    topic = prefix + MODEL_SWITCHES.name
    latest: dict[int, ModelSwitched] = {}
    try:
        if not await partitions_of(kafka, [topic], within_s=0.0):
            return []
        async for record in read_topic(kafka=kafka, topic=topic, follow=False):
            switched = _decode(record.value or b"")
            latest[switched.partition] = switched
    except ConfigurationError:  # the topic is gone since
        return []
    return [latest[partition] for partition in sorted(latest)]

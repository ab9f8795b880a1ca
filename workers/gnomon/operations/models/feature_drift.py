"""Compares the features of the newest decisions with those that versions were trained on."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from gnomon import codec
from gnomon.connection import KafkaConnection
from gnomon.drift import FEATURES, Drift, FeatureReference, Monitor, Word, feature_row
from gnomon.errors import BrokerUnavailableError, ConfigurationError, ModelRefusedError
from gnomon.events import Comparison
from gnomon.models.registry.reading import RegistryReader
from gnomon.models.registry.versions import FEATURES_FILE
from gnomon.runtime.kafka.reading import partitions_of, read_topic
from gnomon.topics import COMPARISONS

if TYPE_CHECKING:
    from gnomon.models.registry import Registry

LATEST: Final = 1_000
"""Number of newest decisions that are compared."""
MOST_NAMED: Final = 3
"""Most features that a sentence names: those that have moved the farthest."""

References = Mapping[str, FeatureReference]
_decode = msgspec.json.Decoder(dict[str, FeatureReference]).decode


def references_of(registry: RegistryReader, version: str) -> References:
    """Return the distribution of each feature in a version's training data; nothing if not stored.

    Raises:
        RegistryUnavailableError: The registry does not answer.
    """
    try:
        stored = registry.file_of(version, FEATURES_FILE)
        return {} if stored is None else _decode(stored)
    except (ModelRefusedError, msgspec.DecodeError):
        return {}


def drift_of(references: References, rows: Iterable[tuple[float, ...]]) -> Drift:
    """Measure how far features have moved; each of ``rows`` has the numbers of ``drift.FEATURES``."""
    monitor = Monitor(references, rows=LATEST)
    for row in rows:
        monitor.add_features(dict(zip(FEATURES, row, strict=True)))
    return monitor.drift()


def moved_since_training(registry: "Registry", rows: Sequence[tuple[float, ...]]) -> str | None:
    """Return which features have moved so far that it is a reason to train again, if any have.

    They are compared with the runs of the newest version: its training has reacted to whatever was
    different before.

    Args:
        registry: The registry.
        rows: Features of the latest decisions since that training; ``LATEST`` are needed, because
            fewer may be those of one hour or one agent alone.
    """
    newest = registry.newest() if len(rows) >= LATEST else None
    if newest is None:
        return None
    drift = drift_of(references_of(registry, newest), rows)
    if drift.word is not Word.RETRAIN:
        return None
    return f"since the training of version {newest}: {sentence(drift)}"


def read_drift(
    registry: RegistryReader, versions: Sequence[str], *, kafka: KafkaConnection, prefix: str
) -> dict[str, Drift]:
    """Measure how far features have moved from what each of ``versions`` was trained on.

    Versions whose training data are not known, and all while there are few decisions, are left out.
    """
    if not versions:
        return {}
    decisions = asyncio.run(newest_decisions(kafka=kafka, prefix=prefix))
    rows = [feature_row(each) for each in decisions]
    known = {version: references_of(registry, version) for version in versions}
    found = {version: drift_of(each, rows) for version, each in known.items() if each}
    return {version: drift for version, drift in found.items() if drift.features}


def sentence(drift: Drift) -> str:
    """Return which features have moved, for people."""
    moved = {name: each for name, each in drift.features.items() if each.word is not Word.STEADY}
    worst = sorted(moved, key=lambda name: (list(Word).index(moved[name].word), moved[name].psi))
    named = [_named(name, moved[name].psi, moved[name].distance) for name in worst[::-1]]
    more = len(named) - MOST_NAMED
    shown = [*named[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])]
    return f"features {drift.word}: {', '.join(shown) or 'none has moved'}"


def _named(name: str, psi: float, distance: float | None) -> str:
    far = "" if distance is None else f", {distance:.2f} sd"
    return f"{name} (PSI {psi:.2f}{far})"


async def newest_decisions(*, kafka: KafkaConnection, prefix: str) -> list[Comparison]:
    """Return at most ``LATEST`` of the newest decisions, from all partitions, by the end of the task.

    Returns:
        Nothing if the topic does not exist, or no broker answers at once.
    """
    topic = prefix + COMPARISONS.name
    try:
        partitions = (await partitions_of(kafka, [topic], within_s=0.0)).get(topic)
        if not partitions:
            return []
        each = -(-LATEST // len(partitions))
        read = read_topic(kafka=kafka, topic=topic, follow=False, last=each)
        found = [codec.decode_comparison(record.value or b"") async for record in read]
    except (BrokerUnavailableError, ConfigurationError):
        return []
    return sorted(found, key=attrgetter("outcome.at_ms"))[-LATEST:]

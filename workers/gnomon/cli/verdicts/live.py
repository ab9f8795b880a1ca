"""``gnomon verdict --live`` and ``--register``: the evidence of the workers, and settings for them."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gnomon.cli.texts.progress import progress
from gnomon.cli.verdicts.comparisons_log import Gathered, gather
from gnomon.connection import KafkaConnection
from gnomon.errors import ConfigurationError
from gnomon.operations.models.verdicts import live_verdicts, read_evidence
from gnomon.runtime.kafka.reading import read_topic, with_offset
from gnomon.settings import Settings
from gnomon.topics import COMPARISONS
from gnomon.verdict import Drill, LiveEvidence, Verdicts, VerdictSettings
from gnomon.verdict.drifting import with_drift
from gnomon.verdict.report.source import Source
from gnomon.verdict.typed_harm import with_types

NOTE: Final = (
    "The verdict is of the sums that the comparison stage has collected. The charts, drift and the"
    " counts here are of the decisions that the topic still has."
)


def live(options: argparse.Namespace, settings: Settings, *, drills: Sequence[Drill]) -> Verdicts:
    """Read and judge the evidence of all partitions; of several experiments the newest.

    Raises:
        ConfigurationError: An option needs comparisons.
        BrokerUnavailableError: No broker answers.
    """
    for name in ("settings", "newest", "verify", "register"):
        if getattr(options, name):
            raise ConfigurationError(f"--{name} needs --comparisons: expected no --live")
    kafka = settings.kafka.at(options.brokers)
    found = asyncio.run(read_evidence(kafka=kafka, prefix=settings.topic_prefix))
    now_ms = time.time_ns() // 1_000_000 if options.now is None else options.now
    evidence = found[0] if found else LiveEvidence().evidence
    return live_verdicts(evidence, drills=drills, now_ms=now_ms)


def drawn(
    verdicts: Verdicts,
    options: argparse.Namespace,
    settings: Settings,
    *,
    say: Callable[[str], None],
) -> tuple[Verdicts, Gathered]:
    """Read the topic of comparisons for the charts of a live verdict.

    Returns:
        The verdicts with drift and the number of decisions, and what was read.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
    """
    topic = settings.topic_prefix + COMPARISONS.name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "comparisons.jsonl"
        asyncio.run(_export(settings.kafka.at(options.brokers), topic, path))
        source = Source(f"topic {topic}", note=NOTE)
        with progress() as on_progress:
            found = gather(
                path, verdicts.settings, draw=True, source=source, say=say, on_progress=on_progress
            )
    return msgspec.structs.replace(
        verdicts,
        models=with_drift(with_types(verdicts.models, found.types), found.drift),
        records=found.records,
        repeats=found.repeats,
    ), found


async def _export(kafka: KafkaConnection, topic: str, path: Path) -> None:
    """Write the records of a topic to a file, one a line, with their offsets."""
    with path.open("wb") as file:
        async for record in read_topic(kafka=kafka, topic=topic, follow=False):
            if record.value is not None:
                file.write(with_offset(record, record.value) + b"\n")


def registered(verdicts: Verdicts) -> VerdictSettings:
    """Return the settings of ``verdicts`` with its training window's constants; later predictions count."""
    window = verdicts.window
    return msgspec.structs.replace(
        verdicts.settings,
        clip_s={name: us / 1e6 for name, us in window.clip_us.items()},
        mature_after_s=window.mature_after_ms / 1000,
        registered_at_ms=verdicts.watermark_ms + 1,
    )

"""``gnomon verdict --live`` and ``--register``: the evidence of the workers, and settings for them."""

import argparse
import asyncio
import time
from collections.abc import Sequence

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.operations.models.verdicts import live_verdicts, read_evidence
from gnomon.settings import Settings
from gnomon.verdict import Drill, LiveEvidence, Verdicts, VerdictSettings


def live(options: argparse.Namespace, settings: Settings, *, drills: Sequence[Drill]) -> Verdicts:
    """Read and judge the evidence of all partitions; of several experiments the newest.

    Raises:
        ConfigurationError: An option needs comparisons.
        BrokerUnavailableError: No broker answers.
    """
    for name in ("settings", "newest", "verify", "register", "html"):
        if getattr(options, name):
            raise ConfigurationError(f"--{name} needs --comparisons: expected no --live")
    kafka = settings.kafka.at(options.brokers)
    found = asyncio.run(read_evidence(kafka=kafka, prefix=settings.topic_prefix))
    now_ms = time.time_ns() // 1_000_000 if options.now is None else options.now
    evidence = found[0] if found else LiveEvidence().evidence
    return live_verdicts(evidence, drills=drills, now_ms=now_ms)


def registered(verdicts: Verdicts) -> VerdictSettings:
    """Return the settings of ``verdicts`` with its training window's constants; later predictions count."""
    window = verdicts.window
    return msgspec.structs.replace(
        verdicts.settings,
        clip_s={name: us / 1e6 for name, us in window.clip_us.items()},
        mature_after_s=window.mature_after_ms / 1000,
        registered_at_ms=verdicts.watermark_ms + 1,
    )

"""Builds the report of one replay, and exports every topic."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gnomon import codec
from gnomon.comparison.metrics.achieved import Achieved, by_version, of_newest
from gnomon.connection import KafkaConnection
from gnomon.events import Comparison
from gnomon.operations.isolation_report import ProductionImpact
from gnomon.operations.lag import read_ledger
from gnomon.runtime.kafka.reading import as_json, read_topic
from gnomon.topics import COMPARISONS, TOPICS


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a replay. ``tasks`` counts started tasks; ``seconds`` is the duration of the replay.

    ``production_impact`` is the result of the last isolation drill with the same data folder;
    ``None`` if there was none.
    """

    tasks: int
    ledger: dict[str, int]
    models: list[Achieved]
    shadow: Achieved
    seconds: float
    tasks_per_s: float
    production_impact: ProductionImpact | None


async def build_report(
    *,
    kafka: KafkaConnection,
    prefix: str,
    tasks: int,
    seconds: float,
    impact: ProductionImpact | None,
) -> Report:
    """Read the topics that the stages wrote, and summarise them."""
    decisions = [
        codec.decode_comparison(record.value or b"")
        async for record in read_topic(kafka=kafka, topic=prefix + COMPARISONS.name, follow=False)
    ]
    ledger = await read_ledger(kafka=kafka, prefix=prefix)
    return summed_up(decisions, ledger, tasks=tasks, seconds=seconds, impact=impact)


def summed_up(
    decisions: Sequence[Comparison],
    ledger: dict[str, int],
    *,
    tasks: int,
    seconds: float,
    impact: ProductionImpact | None,
) -> Report:
    """Return the report on ``decisions``."""
    return Report(
        tasks=tasks,
        ledger=ledger,
        models=by_version(decisions),
        shadow=of_newest(decisions, name="shadow"),
        seconds=round(seconds, 3),
        tasks_per_s=round(tasks / seconds, 1) if seconds else 0.0,
        production_impact=impact,
    )


async def write_topics(folder: Path, *, kafka: KafkaConnection, prefix: str) -> None:
    """Write every topic to ``folder/<topic>.jsonl``, one decoded record a line.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  a local folder, once
    for topic in TOPICS:
        lines = [
            as_json(record) + b"\n"
            async for record in read_topic(kafka=kafka, topic=prefix + topic.name, follow=False)
        ]
        (folder / f"{topic.name}.jsonl").write_bytes(b"".join(lines))

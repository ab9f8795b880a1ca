"""Reads the ledger and the metrics of all versions from comparison-metrics."""

from dataclasses import dataclass

from gnomon import codec
from gnomon.comparison import merge_ledgers
from gnomon.comparison.metrics.version_figures import VersionFigures, version_figures
from gnomon.connection import KafkaConnection
from gnomon.events import Ledger, ModelMetrics
from gnomon.runtime.kafka.reading import read_topic
from gnomon.topics import COMPARISON_METRICS


@dataclass(frozen=True, slots=True)
class Figures:
    """The newest ledgers of all partitions, added up, and the figures of every model and baseline."""

    ledger: Ledger
    versions: list[VersionFigures]


async def read_figures(*, kafka: KafkaConnection, prefix: str) -> Figures:
    """Read comparison-metrics to its end.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
    """
    ledgers: dict[int, Ledger] = {}
    latest: dict[bytes, ModelMetrics] = {}
    topic = prefix + COMPARISON_METRICS.name
    async for record in read_topic(kafka=kafka, topic=topic, follow=False):
        if record.value is not None:
            event = codec.decode_metrics(record.value)
            if isinstance(event, Ledger):
                ledgers[event.partition] = event
            else:
                latest[record.key or b""] = event
    return Figures(merge_ledgers(ledgers.values()), version_figures(latest.values()))

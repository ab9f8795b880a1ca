"""Names of metrics, and log lines: one a batch, fields beside a constant name, no payload."""

import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

MetricName = Literal[
    "gnomon_records_total",
    "gnomon_batches_total",
    "gnomon_dead_letters_total",
    "gnomon_records_repeated",
    "gnomon_producers_known",
    "gnomon_batch_seconds",
    "gnomon_transaction_seconds",
    "gnomon_lag_records",
    "gnomon_partition_offset",
    "gnomon_models_live",
    "gnomon_models_refused_total",
    "gnomon_predictions_total",
    "gnomon_predictions_shed_total",
    "gnomon_ledger",
    "gnomon_vault_sealed_total",
    "gnomon_vault_unreadable_total",
    "gnomon_snapshot_seconds",
    "gnomon_gateway_requests_total",
    "gnomon_gateway_events_total",
    "gnomon_gateway_delivery",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """What one metric means. ``labels`` are bounded sets only, never an identifier."""

    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()


METRICS: dict[MetricName, Metric] = {
    "gnomon_records_total": Metric("counter", "Records read.", ("stage", "topic")),
    "gnomon_batches_total": Metric("counter", "Batches committed.", ("stage",)),
    "gnomon_dead_letters_total": Metric("counter", "Records refused.", ("stage", "reason")),
    # A gauge, though it only grows: it is part of the state, so a recovery counts nothing twice.
    "gnomon_records_repeated": Metric("gauge", "Records read before, dropped.", ("partition",)),
    "gnomon_producers_known": Metric("gauge", "Client processes remembered.", ("partition",)),
    "gnomon_batch_seconds": Metric("histogram", "Time of a batch's own work.", ("stage",)),
    "gnomon_transaction_seconds": Metric("histogram", "Time to write and commit.", ("stage",)),
    "gnomon_lag_records": Metric("gauge", "Records not yet read.", ("stage", "partition")),
    "gnomon_partition_offset": Metric(
        "gauge", "Next offset to read.", ("stage", "topic", "partition")
    ),
    "gnomon_models_live": Metric("gauge", "Model versions that predict.", ("stage",)),
    "gnomon_models_refused_total": Metric("counter", "Versions not loaded.", ("reason",)),
    "gnomon_predictions_total": Metric("counter", "Predictions made.", ("model",)),
    "gnomon_predictions_shed_total": Metric("counter", "Tasks not predicted: too far behind."),
    "gnomon_ledger": Metric("gauge", "Tasks by what became of them.", ("partition", "state")),
    "gnomon_vault_sealed_total": Metric("counter", "Decisions sealed and stored."),
    "gnomon_vault_unreadable_total": Metric("counter", "Decisions not opened.", ("reason",)),
    "gnomon_snapshot_seconds": Metric("histogram", "Time to write a snapshot.", ("stage",)),
    "gnomon_gateway_requests_total": Metric("counter", "Requests answered.", ("route", "status")),
    "gnomon_gateway_events_total": Metric("counter", "Events received.", ("route", "state")),
    "gnomon_gateway_delivery": Metric("gauge", "Events by what became of them.", ("state",)),
}
assert set(METRICS) == set(get_args(MetricName))  # noqa: S101  a missing entry is a bug here

MAX_KINDS = 1000
"""Kinds of lines remembered at once; messages with values in them would be ever new kinds."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {k: v for k, v in record.__dict__.items() if k not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, then the fields of ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record``; a traceback becomes the field ``exception``."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PlainFormatter(logging.Formatter):
    """For a person: ``12:00:00 INFO    features.batch_done records=512``."""

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record``; a traceback follows on the next lines."""
        fields = " ".join(f"{k}={v}" for k, v in _fields(record).items())
        head = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {record.getMessage()}"
        line = f"{head} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class RepeatFilter(logging.Filter):
    """Lets a library say the same thing once in a while only; gnomon's own lines always pass.

    A Kafka client without its broker says so hundreds of times a second. The next line that
    passes carries how many of its kind did not, as ``repeated``.
    """

    def __init__(
        self, *, every_s: float = 10.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._every_s, self._clock_s = every_s, clock_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` passes."""
        if record.name.partition(".")[0] == "gnomon":
            return True
        key = (record.name, str(record.msg))
        now_s = self._clock_s()
        said_s, kept = self._said.get(key, (-math.inf, 0))
        if now_s - said_s < self._every_s:
            self._said[key] = (said_s, kept + 1)
            return False
        if len(self._said) > MAX_KINDS:
            self._said.clear()
        self._said[key] = (now_s, 0)
        if kept:
            record.repeated = kept
        return True


def configure_logging(*, level: str, log_format: str) -> None:
    """Send gnomon's own lines at ``level``, and warnings of libraries, to standard error.

    Raises:
        ValueError: ``level`` is not a level's name.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gnomon").setLevel(level.upper())

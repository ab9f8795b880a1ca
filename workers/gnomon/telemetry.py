"""Names of the Prometheus metrics, and the format of log lines.

A log line has a constant event name with fields beside it, and never contains a payload.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

MetricName = Literal[
    "gnomon_build",
    "gnomon_records_total",
    "gnomon_batches_total",
    "gnomon_dead_letters_total",
    "gnomon_records_repeated_total",
    "gnomon_producers_known",
    "gnomon_batch_seconds",
    "gnomon_transaction_seconds",
    "gnomon_lag_records",
    "gnomon_partition_offset",
    "gnomon_models_live",
    "gnomon_models_refused_total",
    "gnomon_models_skipped",
    "gnomon_model_calls_total",
    "gnomon_model_seconds",
    "gnomon_predictions_total",
    "gnomon_predictions_missing_total",
    "gnomon_predictions_shed_total",
    "gnomon_ledger_tasks_total",
    "gnomon_ledger_pending_tasks",
    "gnomon_verdict",
    "gnomon_vault_sealed_total",
    "gnomon_vault_unreadable_total",
    "gnomon_snapshot_seconds",
    "gnomon_gateway_requests_total",
    "gnomon_gateway_events_total",
    "gnomon_gateway_delivery_total",
    "gnomon_gateway_waiting_events",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """Kind, help text and labels of one metric. Labels have few values, never an identifier.

    A counter that is ``restored`` is told its total, which is saved with a state: a recovery counts
    nothing a second time.
    """

    kind: Literal["counter", "gauge", "histogram", "info"]
    about: str
    labels: tuple[str, ...] = ()
    restored: bool = False


METRICS: dict[MetricName, Metric] = {
    "gnomon_build": Metric(
        "info", "The process: its version and settings.", ("stage", "version", "settings")
    ),
    "gnomon_records_total": Metric("counter", "Records read.", ("stage", "topic")),
    "gnomon_batches_total": Metric("counter", "Batches committed.", ("stage",)),
    "gnomon_dead_letters_total": Metric("counter", "Records refused.", ("stage", "reason")),
    "gnomon_records_repeated_total": Metric(
        "counter", "Repeated records, dropped.", ("partition",), restored=True
    ),
    "gnomon_producers_known": Metric("gauge", "Client processes remembered.", ("partition",)),
    "gnomon_batch_seconds": Metric("histogram", "Time to process a batch.", ("stage",)),
    "gnomon_transaction_seconds": Metric(
        "histogram", "Time to write and commit a transaction.", ("stage",)
    ),
    "gnomon_lag_records": Metric("gauge", "Records not yet read.", ("stage", "partition")),
    "gnomon_partition_offset": Metric(
        "gauge", "Next offset to read.", ("stage", "topic", "partition")
    ),
    "gnomon_models_live": Metric("gauge", "Model versions that predict.", ("stage",)),
    "gnomon_models_refused_total": Metric("counter", "Versions not loaded.", ("reason",)),
    "gnomon_models_skipped": Metric("gauge", "Live versions that are not called.", ("stage",)),
    "gnomon_model_calls_total": Metric(
        "counter", "Calls of a version, by how they ended.", ("version", "status")
    ),
    "gnomon_model_seconds": Metric("histogram", "Time of a version's call.", ("version",)),
    "gnomon_predictions_total": Metric("counter", "Predictions made.", ("model",)),
    "gnomon_predictions_missing_total": Metric(
        "counter", "Predictions that a live version did not make.", ("version", "reason")
    ),
    "gnomon_predictions_shed_total": Metric("counter", "Tasks skipped because of lag."),
    "gnomon_ledger_tasks_total": Metric(
        "counter", "Tasks by count of the ledger.", ("partition", "state"), restored=True
    ),
    "gnomon_ledger_pending_tasks": Metric("gauge", "Open tasks of the ledger.", ("partition",)),
    "gnomon_verdict": Metric(
        "gauge",
        "The live verdict: 1 GO, 0 CONTINUE, -1 NO-GO, -2 STOP-HARM.",
        ("model", "version"),
    ),
    "gnomon_vault_sealed_total": Metric("counter", "Decisions sealed and stored."),
    "gnomon_vault_unreadable_total": Metric(
        "counter", "Decisions that cannot be opened.", ("reason",)
    ),
    "gnomon_snapshot_seconds": Metric("histogram", "Time to write a snapshot.", ("stage",)),
    "gnomon_gateway_requests_total": Metric("counter", "Requests answered.", ("route", "status")),
    "gnomon_gateway_events_total": Metric("counter", "Events received.", ("route", "state")),
    "gnomon_gateway_delivery_total": Metric(
        "counter", "Events by what became of them.", ("state",), restored=True
    ),
    "gnomon_gateway_waiting_events": Metric("gauge", "Events to be delivered.", ("state",)),
}
assert set(METRICS) == set(get_args(MetricName))  # noqa: S101  a missing entry is a bug here

MAX_MESSAGES = 1000
"""Messages that ``RepeatFilter`` remembers: a library may put ever new values into its messages."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {k: v for k, v in record.__dict__.items() if k not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """Formats a log line as a JSON object: time, level, logger, event, the fields of ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record``; a traceback goes into the field ``exception``."""
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
    """Formats a log line for people: ``12:00:00 INFO    features.batch_done records=512``."""

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record``; a traceback follows on the next lines."""
        fields = " ".join(f"{k}={v}" for k, v in _fields(record).items())
        head = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {record.getMessage()}"
        line = f"{head} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class RepeatFilter(logging.Filter):
    """Limits how often a library's message is logged; gnomon's own lines always pass.

    A Kafka client without its broker logs the same message hundreds of times a second. The next
    line that passes has the number of suppressed ones in the field ``repeated``.

    Args:
        every_s: Shortest time between two lines of the same message.
        clock_s: Monotonic clock, in seconds.
    """

    def __init__(
        self, *, every_s: float = 10.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._every_s, self._clock_s = every_s, clock_s
        self._last_logged: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether ``record`` is logged."""
        if record.name.partition(".")[0] == "gnomon":
            return True
        key = (record.name, str(record.msg))
        now_s = self._clock_s()
        logged_s, suppressed = self._last_logged.get(key, (-math.inf, 0))
        if now_s - logged_s < self._every_s:
            self._last_logged[key] = (logged_s, suppressed + 1)
            return False
        if len(self._last_logged) > MAX_MESSAGES:
            self._last_logged.clear()
        self._last_logged[key] = (now_s, 0)
        if suppressed:
            record.repeated = suppressed
        return True


def configure_logging(*, level: str, log_format: str) -> None:
    """Log to standard error: gnomon's own lines from ``level`` on, libraries' from warnings on.

    Raises:
        ValueError: ``level`` is not the name of a level.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gnomon").setLevel(level.upper())

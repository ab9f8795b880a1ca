"""The format of log lines: a constant event name with fields beside it, and never a payload."""

import json
import logging
import math
import sys
import time
from collections.abc import Callable

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

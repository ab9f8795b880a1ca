"""Logs requests that are no HTTP in one line, without their bytes, as a token may be among them."""

import logging
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError


class _OneLine(logging.Filter):
    """Replaces what aiohttp says of such a request: an error with a traceback and the bytes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change ``record`` in place if it is about one; let everything pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args, record.exc_info = "http.malformed_request", (), None
            record.reason = type(error).__name__
        return True


logger: Final = logging.getLogger(__name__)
"""The logger for aiohttp."""
logger.addFilter(_OneLine())

"""Keeps errors of gnomon's handlers away from the framework that calls them."""

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")
logger = logging.getLogger("gnomon")


def guarded(handler: Callable[P, None]) -> Callable[P, None]:
    """Wrap a handler so that it never raises into its framework; log the first error of a type."""

    @functools.wraps(handler)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(*args, **kwargs)
        except Exception as error:  # an error of gnomon must never reach the agent
            _report(handler.__qualname__, type(error).__name__)

    return quiet


@functools.cache
def _report(where: str, error_type: str) -> None:
    """Log an error once: the cache suppresses repeats."""
    logger.warning("gnomon: %s: %s; the agent is unaffected", where, error_type)

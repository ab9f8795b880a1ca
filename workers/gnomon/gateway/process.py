"""The gateway as a process: it serves until SIGTERM, then delivers what it has taken."""

import asyncio
import logging
import signal
from typing import Protocol

from gnomon.errors import ConfigurationError
from gnomon.gateway.delivery import Sender
from gnomon.gateway.server import GatewayConfig, GatewayServer

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ClosingSender(Sender, Protocol):
    """A ``Client``."""

    def close(self, timeout_s: float | None = None) -> int:
        """Deliver for at most ``timeout_s``; returns how many events never arrived."""
        ...


async def serve(sender: ClosingSender, config: GatewayConfig, *, drain_s: float) -> int:
    """Serve until SIGTERM or SIGINT, then deliver for at most ``drain_s``.

    Returns:
        0, or 1 if events that were taken did not arrive.

    Raises:
        ConfigurationError: The address or port cannot be had.
    """
    server = GatewayServer(sender, config)
    try:
        await server.start()
    except OSError as error:
        raise ConfigurationError(f"port {config.port} of {config.host}: {error}") from error
    if config.host not in LOOPBACK and not config.token:
        logger.warning("gateway.open_to_all", extra={"host": config.host})
    logger.info("gateway.serves", extra={"host": config.host, "port": server.port})
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop()
    undelivered = await asyncio.to_thread(sender.close, drain_s)
    logger.info("gateway.ended", extra={"undelivered": undelivered})
    return 1 if undelivered else 0

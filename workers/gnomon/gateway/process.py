"""The gateway process: it serves until SIGTERM, then delivers the events it has accepted."""

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
    """A ``Client``, as the gateway process uses it."""

    def close(self, timeout_s: float | None = None) -> int:
        """Deliver for at most ``timeout_s``; return how many events were not delivered."""
        ...


async def serve(sender: ClosingSender, config: GatewayConfig, *, drain_s: float) -> int:
    """Serve until SIGTERM or SIGINT, then deliver for at most ``drain_s``.

    Returns:
        0, or 1 if accepted events were not delivered.

    Raises:
        ConfigurationError: The gateway cannot listen on the address and port.
    """
    server = GatewayServer(sender, config)
    try:
        await server.start()
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {config.host}:{config.port}: {error}"
        ) from error
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

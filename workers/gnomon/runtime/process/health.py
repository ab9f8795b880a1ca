"""The HTTP endpoints of a worker: ``/metrics``, ``/livez``, ``/readyz`` and ``/status``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web

from gnomon import http_log
from gnomon.codec import encode
from gnomon.errors import ConfigurationError
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.progress import Stall


class HealthSource(Protocol):
    """What the endpoints report."""

    metrics: Metrics

    @property
    def name(self) -> str:
        """Name of the stage."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it works and makes progress."""
        ...

    def stalls(self) -> Sequence[Stall]:
        """Return what makes no progress."""
        ...

    def degraded(self) -> Sequence[str]:
        """Return what it works without, a sentence each."""
        ...

    def status(self) -> Mapping[str, object]:
        """Return facts that can be written as JSON."""
        ...


class HealthServer:
    """Serves on ``host:port``; port 0 takes a free one, which ``port`` holds after ``start``."""

    def __init__(self, source: HealthSource, *, host: str, port: int) -> None:
        self.port = port
        self._source, self._host = source, host
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._status)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=1.0, logger=http_log.logger
        )

    @property
    def address(self) -> str:
        """URL of the server, once it has started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: The port is taken, or the address is not of this machine.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigurationError(
                f"port {self.port} of {self._host}: {error.strerror or error}. --port and"
                " GNOMON_LISTEN_PORT name another; 0 means a free one"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        source = self._source
        source.metrics.set("gnomon_ready", source.ready, source.name)
        source.metrics.set("gnomon_stalls", len(source.stalls()), source.name)
        body, content_type = source.metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        degraded = [f"degraded: {what}" for what in self._source.degraded()]
        if self._source.ready:
            return web.Response(text="\n".join(["ok", *degraded, ""]))
        lines = [f"stalled: {stall}" for stall in self._source.stalls()] or ["not ready"]
        return web.Response(text="\n".join([*lines, *degraded, ""]), status=503)

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(body=encode(self._source.status()), content_type="application/json")

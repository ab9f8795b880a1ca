"""What a worker tells of itself over HTTP: ``/metrics``, ``/livez``, ``/readyz``, ``/status``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web

from gnomon.codec import encode
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.progress import Stall


class HealthSource(Protocol):
    """What is looked at."""

    metrics: Metrics

    @property
    def ready(self) -> bool:
        """Whether work is under way and advances."""
        ...

    def stalls(self) -> Sequence[Stall]:
        """What does not advance."""
        ...

    def status(self) -> Mapping[str, object]:
        """Facts, JSON-serialisable."""
        ...


class HealthServer:
    """Serves on ``host:port``; port 0 takes a free one, then found in ``port``."""

    def __init__(self, observed: HealthSource, *, host: str, port: int) -> None:
        self.port = port
        self._observed, self._host = observed, host
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._status)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._observed.metrics.exposition(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._observed.ready:
            return web.Response(text="ok\n")
        lines = [f"stalled: {stall}" for stall in self._observed.stalls()] or ["not ready"]
        return web.Response(text="\n".join([*lines, ""]), status=503)

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(body=encode(self._observed.status()), content_type="application/json")

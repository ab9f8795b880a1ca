"""Receives the notices that Alertmanager sends, and notes when each came."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from aiohttp import web

from gnomon.broker.probe import HOST


class Notice(NamedTuple):
    """One alert of a notice: its name, the path of the receiver, and when it came (monotonic seconds)."""

    alert: str
    receiver: str
    at_s: float


class Webhook:
    """Context manager that listens on a free port.

    Attributes:
        notices: The alerts that were said to fire, in the order in which they came.
        url: Base URL; the path of a notice names its receiver.
    """

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.notices: list[Notice] = []
        self.url = ""
        self._clock_s = clock_s
        app = web.Application()
        app.router.add_post("/{receiver}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    def first(self, alert: str, *, after_s: float) -> Notice | None:
        """Return the first notice of ``alert`` that came after a moment."""
        return next((n for n in self.notices if n.alert == alert and n.at_s >= after_s), None)

    async def _receive(self, request: web.Request) -> web.Response:
        body, now_s = await request.json(), self._clock_s()
        self.notices += [
            Notice(each["labels"]["alertname"], request.match_info["receiver"], now_s)
            for each in body["alerts"]
            if each["status"] == "firing"
        ]
        return web.Response()

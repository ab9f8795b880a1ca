"""A gateway on loopback with an HTTP client, and a recorder in place of gnomon's client."""

import json
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from gnomon.client.stats import Stats
from gnomon.events import TaskEvent
from gnomon.gateway.delivery import Sender
from gnomon.gateway.server import GatewayConfig, GatewayServer

CONFIG = GatewayConfig(port=0, wait_s=0.0)
EVENT: dict[str, Any] = {
    "kind": "task_cancelled.v1",
    "agent_id": "a",
    "task_id": "t",
    "cancelled_at_ms": 1_760_000_000_000,
}


class Kept:
    """Keeps events, and accepts at most ``room`` of them until some are ``drained``.

    It refuses events of the tasks in ``unfit`` for their content.
    """

    def __init__(self, room: int = 75_000, *, unfit: Container[str] = ()) -> None:
        self.events: list[TaskEvent] = []
        self._unfit = unfit
        self._full = 75_000 - room  # the gateway lets three quarters of 100,000 wait
        self._drained = 0

    def emit(self, event: TaskEvent) -> bool:
        if event.task_id in self._unfit:
            return False
        self.events.append(event)
        return True

    def stats(self) -> Stats:
        return Stats(buffered=self._full + len(self.events) - self._drained, delivered=3)

    def drain(self) -> None:
        self._full, self._drained = 0, len(self.events)

    def close(self, timeout_s: float | None = None) -> int:
        return 0


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Sent:
    """A running gateway and an HTTP client."""

    def __init__(self, server: GatewayServer, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.url = f"http://127.0.0.1:{server.port}"

    async def post(self, path: str, body: bytes | str, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.post(self.url + path, data=body, headers=sent) as response:
            return Answer(response.status, await response.read(), response.headers)

    async def get(self, path: str) -> Answer:
        async with self._http.get(self.url + path) as response:
            return Answer(response.status, await response.read(), response.headers)


@asynccontextmanager
async def serving(sender: Sender, config: GatewayConfig = CONFIG) -> AsyncIterator[Sent]:
    server = GatewayServer(sender, config)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Sent(server, http)
    finally:
        await server.stop()


def events(*numbers: int) -> bytes:
    return json.dumps([{**EVENT, "task_id": f"t{number}"} for number in numbers]).encode()


def ids(kept: Kept) -> list[str]:
    return [event.task_id for event in kept.events]

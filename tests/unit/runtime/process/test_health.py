"""What a worker answers about its own readiness."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest

from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.process.health import HealthServer


@dataclass
class Worker:
    """A worker whose state a test chooses."""

    ready: bool = True
    name: str = "features"
    stalled: Sequence[Stall] = ()
    lacks: Sequence[str] = ()
    metrics: Metrics = field(default_factory=Metrics)

    def stalls(self) -> Sequence[Stall]:
        return self.stalled

    def degraded(self) -> Sequence[str]:
        return self.lacks

    def status(self) -> Mapping[str, object]:
        return {"ready": self.ready}


async def answer(worker: Worker, path: str) -> tuple[int, list[str]]:
    server = HealthServer(worker, host="127.0.0.1", port=0)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{server.port}{path}") as response,
        ):
            return response.status, (await response.text()).splitlines()
    finally:
        await server.stop()


async def test_who_speaks_no_http_is_one_line_without_what_was_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = HealthServer(Worker(), host="127.0.0.1", port=0)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: secret\r\n\r\n")
        await reader.read()
        writer.close()
    finally:
        await server.stop()

    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert (line.message, line.levelno) == ("http.malformed_request", logging.WARNING)
    assert "secret" not in caplog.text


REGISTRY = "registry: no answer"


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        (Worker(), (200, ["ok"])),
        (Worker(lacks=[REGISTRY]), (200, ["ok", f"degraded: {REGISTRY}"])),
        (Worker(ready=False), (503, ["not ready"])),
        (Worker(ready=False, lacks=[REGISTRY]), (503, ["not ready", f"degraded: {REGISTRY}"])),
    ],
)
async def test_a_worker_is_ready_without_its_registry_and_says_what_it_lacks(
    worker: Worker, expected: tuple[int, list[str]]
) -> None:
    assert await answer(worker, "/readyz") == expected


async def test_a_stall_is_named() -> None:
    stall = Stall("features", 3, "commit", 61.0, None)
    status, lines = await answer(Worker(ready=False, stalled=[stall]), "/readyz")
    assert status == 503
    assert lines == [f"stalled: {stall}"]


async def test_a_worker_that_is_not_ready_is_alive() -> None:
    assert await answer(Worker(ready=False), "/livez") == (200, ["ok"])


@pytest.mark.parametrize(("ready", "stalled"), [(True, 0), (False, 2)])
async def test_metrics_say_whether_it_is_ready(*, ready: bool, stalled: int) -> None:
    stall = Stall("features", 3, "commit", 61.0, None)
    worker = Worker(ready=ready, stalled=[stall] * stalled)

    _, lines = await answer(worker, "/metrics")

    assert f'gnomon_ready{{stage="features"}} {float(ready)}' in lines
    assert f'gnomon_stalls{{stage="features"}} {float(stalled)}' in lines

"""Tests of the drill's service, which counts errors, and of its load, which does not wait."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gnomon import Client
from gnomon.drill.load import Load
from gnomon.drill.service import Service


class Broken(Client):
    """A client that raises and blocks, as no client may."""

    def task(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise RuntimeError


def serving(service: Service) -> TestServer:
    application = web.Application()
    application.router.add_get("/answer", service.handle)
    return TestServer(application)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("client", [None, Client("")], ids=["without", "with"])
async def test_every_request_is_answered(
    session: aiohttp.ClientSession, client: Client | None
) -> None:
    service = Service(client)
    async with serving(service) as server:
        load = Load(session, str(server.make_url("/answer")))
        await load.run([0.0, 0.01, 0.02])
    assert (len(load.latencies_ms), load.errors) == (3, 0)
    assert (service.counts()["requests"], service.counts()["errors"]) == (3, 0)
    assert min(load.latencies_ms) >= 10  # the service waits as long


async def test_a_client_that_raises_is_an_error_at_both_ends(
    session: aiohttp.ClientSession,
) -> None:
    service = Service(Broken(""))
    async with serving(service) as server:
        load = Load(session, str(server.make_url("/answer")))
        await load.run([0.0, 0.0])
    assert (len(load.latencies_ms), load.errors) == (0, 2)
    assert service.counts()["errors"] == 2


async def test_nobody_there_is_an_error(
    session: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    load = Load(session, f"http://127.0.0.1:{unused_tcp_port}/answer")
    await load.run([0.0])
    assert (load.latencies_ms, load.errors) == ([], 1)


async def test_a_service_that_stands_still_is_charged_for_all_it_kept_waiting(
    session: aiohttp.ClientSession,
) -> None:
    """Twenty requests are due while the loop is blocked for 200 ms; each latency counts from its due time."""

    async def blocking(_: web.Request) -> web.Response:
        if not blocked:
            blocked.append(True)
            time.sleep(0.2)  # noqa: ASYNC251  it is the service that is bad
        return web.Response()

    blocked: list[bool] = []
    application = web.Application()
    application.router.add_get("/answer", blocking)
    async with TestServer(application) as server:
        load = Load(session, str(server.make_url("/answer")))
        await load.run([0.01 * n for n in range(20)])
    assert len(load.latencies_ms) == 20
    assert sum(1 for value in load.latencies_ms if value > 100) >= 8

"""A reverse proxy that has logged a user in and names it in a header, for HTTP and WebSockets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
from aiohttp import web

from gnomon.broker.probe import HOST, free_port

_HOP_BY_HOP: Final = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-encoding", "content-length")
)  # fmt: skip
_OF_WEBSOCKETS: Final = "sec-websocket-"
_MOST_BYTES: Final = 64 << 20


class _Proxy:
    def __init__(self, behind: str, *, header: str, user: str) -> None:
        self._behind, self._header, self._user = behind, header, user

    async def handle(self, request: web.Request) -> web.StreamResponse:
        url = f"{self._behind}{request.rel_url}"
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP | {self._header.lower(), "origin"}
            and not name.lower().startswith(_OF_WEBSOCKETS)
        }
        headers[self._header] = self._user
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._pump(request, url, headers)
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                request.method,
                url,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer,
        ):
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _pump(
        self, request: web.Request, url: str, headers: dict[str, str]
    ) -> web.WebSocketResponse:
        wanted = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [each.strip() for each in wanted.split(",") if each.strip()]
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(
                url, headers=headers, protocols=protocols, max_msg_size=_MOST_BYTES
            ) as inner,
        ):
            chosen = (inner.protocol,) if inner.protocol else ()
            outer = web.WebSocketResponse(protocols=chosen, max_msg_size=_MOST_BYTES)
            await outer.prepare(request)
            both = [
                asyncio.create_task(_copy(inner, outer)),
                asyncio.create_task(_copy(outer, inner)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in both:
                each.cancel()
            await asyncio.wait(both)
        return outer


_Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy(source: _Side, into: _Side) -> None:
    async for message in source:
        if message.type == aiohttp.WSMsgType.BINARY:
            await into.send_bytes(message.data)
        elif message.type == aiohttp.WSMsgType.TEXT:
            await into.send_str(message.data)
    await into.close()


@contextmanager
def proxied(behind: str, *, header: str, user: str) -> Iterator[str]:
    """Run a proxy in front of ``behind`` in a thread; yield its URL."""
    loop, port = asyncio.new_event_loop(), free_port()
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_route("*", "/{path:.*}", _Proxy(behind, header=header, user=user).handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)

    async def begin() -> None:
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(begin(), loop).result(20)
        yield f"http://{HOST}:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()

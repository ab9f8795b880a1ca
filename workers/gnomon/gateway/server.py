"""The gateway's HTTP side: who may send, how much, and what the answers say."""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gnomon.errors import EventError
from gnomon.gateway.delivery import Delivery, Sender
from gnomon.gateway.metrics import GatewayMetrics
from gnomon.gateway.otlp import JSON, PROTOBUF, failure, read_traces, success
from gnomon.gateway.reading import read_events

logger = logging.getLogger(__name__)

MAX_TOLD: Final = 100
"""Refusals that an answer lists; it counts all."""
RETRY_AFTER_S: Final = "5"
LINGER_S: Final = 1.0
"""How long the rest of a refused body is read, so that the sender sees the refusal."""
END_REQUESTS_S: Final = 2.0
"""How long requests in hand may take once the gateway ends."""
NOT_TAKEN: Final = EventError("invalid", "the client takes no such event")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """How to serve.

    Attributes:
        host: Address to listen on.
        port: 0 takes a free one.
        token: What ``Authorization: Bearer`` must say; empty: nothing.
        max_body_bytes: Most bytes of a body, after unpacking.
        wait_s: How long a request may wait while the buffer is full.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    token: str = field(default="", repr=False)
    max_body_bytes: int = 16 << 20
    wait_s: float = 5.0


class GatewayServer:
    """Serves until ``stop``; ``port`` is the one it listens on."""

    def __init__(self, sender: Sender, config: GatewayConfig) -> None:
        self.port = config.port
        self._sender, self._config = sender, config
        self._metrics = GatewayMetrics()
        self._delivery = Delivery(sender, wait_s=config.wait_s)
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v1/events", self._events)
        app.router.add_post("/v1/traces", self._traces)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=END_REQUESTS_S,
            lingering_time=LINGER_S,
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address or port cannot be had.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._config.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Take no more, and answer what is in hand."""
        self._delivery.closing = True
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Ask who it is, and give every refusal the form its protocol wants."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        route = request.path if request.path in {"/v1/events", "/v1/traces"} else "other"
        try:
            self._check(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = _refused(request, error.status, error.text or error.reason)
            if error.status == web.HTTPUnauthorized.status_code:
                response.headers["WWW-Authenticate"] = "Bearer"
        except (HttpProcessingError, web.RequestPayloadError):
            response = _refused(request, 400, "the body is not packed as it says")
        except EventError as error:
            response = _refused(request, 400, str(error))
        self._metrics.request(route, response.status)
        return response

    def _check(self, request: web.Request) -> None:
        """Whether the sender may send.

        A page in somebody's browser can send to this machine too, and always says its origin; it
        has no business here unless it knows the token.
        """
        token = self._config.token
        if token:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
            if not same or scheme.lower() != "bearer":
                raise web.HTTPUnauthorized(text="the token is missing or another")
        elif "Origin" in request.headers:
            raise web.HTTPForbidden(text="pages of a browser need a token (GNOMON_GATEWAY_TOKEN)")
        if self._delivery.closing:
            raise web.HTTPServiceUnavailable(text="the gateway is ending")

    async def _body(self, request: web.Request) -> bytes:
        """The body, unpacked piece by piece: ``request.read`` takes several times the limit."""
        limit = self._config.max_body_bytes
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                raise web.HTTPRequestEntityTooLarge(limit, text=f"more than {limit} bytes")
        return bytes(body)

    async def _events(self, request: web.Request) -> web.Response:
        found = read_events(await self._body(request))
        places = [at for at, event in enumerate(found) if not isinstance(event, EventError)]
        refused = [(at, event) for at, event in enumerate(found) if isinstance(event, EventError)]
        delivered = await self._delivery.deliver(
            [event for event in found if not isinstance(event, EventError)]
        )
        taken, no_room = delivered.taken, len(places) - delivered.seen
        if delivered.refused:
            refused += [(places[at], NOT_TAKEN) for at in delivered.refused]
            refused.sort(key=itemgetter(0))
        self._metrics.events("/v1/events", taken=taken, refused=len(refused), no_room=no_room)
        answer: dict[str, object] = {
            "accepted": taken,
            "refused": len(refused),
            "errors": [
                {"index": at, "reason": error.reason, "detail": error.detail}
                for at, error in refused[:MAX_TOLD]
            ],
        }
        if no_room:
            answer["resend_from"] = places[delivered.seen]
            return _answer(429, answer)
        if not refused:
            return _answer(202, answer)
        return _answer(207 if taken else 400, answer)

    async def _traces(self, request: web.Request) -> web.Response:
        media_type = request.content_type
        if media_type not in {JSON, PROTOBUF}:
            raise web.HTTPUnsupportedMediaType(text=f"expected {JSON} or {PROTOBUF}")
        found = read_traces(await self._body(request), media_type)
        delivered = await self._delivery.deliver(found.events)
        no_room = len(found.events) - delivered.seen
        tasks = {found.events[at].task_id for at in delivered.refused}
        refused = [*found.refused, *(NOT_TAKEN for _ in tasks)]
        self._metrics.events(
            "/v1/traces", taken=delivered.taken, refused=len(refused), no_room=no_room
        )
        if no_room:
            # All of it comes again; what was taken is then a repeat, and dropped by its ids.
            return _refused(request, 429, "no room at present")
        return web.Response(body=success(refused, media_type), content_type=media_type)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._delivery.closing or not self._delivery.has_room:
            why = "ending" if self._delivery.closing else "no room: the broker takes nothing"
            return web.Response(text=f"{why}\n", status=503)
        return web.Response(text="ok\n")

    async def _exposition(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.exposition(self._sender.stats()),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )


def _answer(status: int, answer: object) -> web.Response:
    headers = (
        {"Retry-After": RETRY_AFTER_S} if status == web.HTTPTooManyRequests.status_code else None
    )
    return web.Response(
        body=json.dumps(answer).encode(), status=status, content_type=JSON, headers=headers
    )


def _refused(request: web.Request, status: int, why: str) -> web.Response:
    """A refusal of the whole request, in OTLP's form where OTLP was sent."""
    if request.path != "/v1/traces":
        response = _answer(status, {"error": why})
    else:
        media_type = PROTOBUF if request.content_type == PROTOBUF else JSON
        response = web.Response(
            body=failure(why, media_type), status=status, content_type=media_type
        )
    if status in {429, 503}:
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response

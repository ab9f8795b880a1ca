"""The gateway's HTTP server: authorization, limits, and responses."""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gnomon import __version__
from gnomon.errors import EventError
from gnomon.gateway.delivery import Delivery, Sender
from gnomon.gateway.metrics import GatewayMetrics
from gnomon.gateway.otlp import JSON, PROTOBUF, failure, read_traces, success
from gnomon.gateway.reading import read_events

logger = logging.getLogger(__name__)

MAX_ERRORS_LISTED: Final = 100
"""Most errors that a response lists; its counts include all."""
RETRY_AFTER_S: Final = "5"
LINGER_S: Final = 1.0
"""How long the rest of a refused body is read, so that the sender receives the response."""
SHUTDOWN_S: Final = 2.0
"""How long unfinished requests may take once the gateway is shutting down."""
CLIENT_REFUSED: Final = EventError("invalid", "the client does not accept this event")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Configuration of the server.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: Token required in ``Authorization: Bearer``; empty if none is required.
        max_body_bytes: Most bytes of a body, after decompression.
        wait_s: Longest time that a request waits while the buffer is full.
        settings_digest: Hash of the settings, for ``/metrics``.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    token: str = field(default="", repr=False)
    max_body_bytes: int = 16 << 20
    wait_s: float = 5.0
    settings_digest: str = ""


class GatewayServer:
    """HTTP server of the gateway.

    Attributes:
        port: The port it listens on.
    """

    def __init__(self, sender: Sender, config: GatewayConfig) -> None:
        self.port = config.port
        self._sender, self._config = sender, config
        self._metrics = GatewayMetrics(version=__version__, settings=config.settings_digest)
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
            shutdown_timeout=SHUTDOWN_S,
            lingering_time=LINGER_S,
        )

    async def start(self) -> None:
        """Start to listen.

        Raises:
            OSError: The server cannot listen on the address and port.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._config.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Accept no more requests, and finish those in progress."""
        self._delivery.closing = True
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Check the sender, and turn every error into a response of the request's protocol."""
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
            response = _refused(request, 400, "the body does not match its Content-Encoding")
        except EventError as error:
            response = _refused(request, 400, str(error))
        self._metrics.request(route, response.status)
        return response

    def _check(self, request: web.Request) -> None:
        """Raise an HTTP error unless the sender is authorized.

        A web page in a browser on this machine can send requests too; its requests have the header
        ``Origin``. They are refused unless they carry the token.
        """
        token = self._config.token
        if token:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
            if not same or scheme.lower() != "bearer":
                raise web.HTTPUnauthorized(text="the token is missing or wrong")
        elif "Origin" in request.headers:
            raise web.HTTPForbidden(
                text="requests of web pages need a token (GNOMON_GATEWAY_TOKEN)"
            )
        if self._delivery.closing:
            raise web.HTTPServiceUnavailable(text="the gateway is shutting down")

    async def _body(self, request: web.Request) -> bytes:
        """Read the body piece by piece: ``request.read`` would use several times the limit."""
        limit = self._config.max_body_bytes
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                raise web.HTTPRequestEntityTooLarge(limit, text=f"more than {limit} bytes")
        return bytes(body)

    async def _events(self, request: web.Request) -> web.Response:
        found = read_events(await self._body(request))
        valid_at = [at for at, event in enumerate(found) if not isinstance(event, EventError)]
        refused = [(at, event) for at, event in enumerate(found) if isinstance(event, EventError)]
        delivered = await self._delivery.deliver(
            [event for event in found if not isinstance(event, EventError)]
        )
        taken, no_room = delivered.taken, len(valid_at) - delivered.seen
        if delivered.refused:
            refused += [(valid_at[at], CLIENT_REFUSED) for at in delivered.refused]
            refused.sort(key=itemgetter(0))
        self._metrics.events("/v1/events", taken=taken, refused=len(refused), no_room=no_room)
        answer: dict[str, object] = {
            "accepted": taken,
            "refused": len(refused),
            "errors": [
                {"index": at, "reason": error.reason, "detail": error.detail}
                for at, error in refused[:MAX_ERRORS_LISTED]
            ],
        }
        if no_room:
            answer["resend_from"] = valid_at[delivered.seen]
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
        refused = [*found.refused, *(CLIENT_REFUSED for _ in tasks)]
        self._metrics.events(
            "/v1/traces", taken=delivered.taken, refused=len(refused), no_room=no_room
        )
        if no_room:
            # OTLP resends the whole request. Tasks that were accepted already are then repeats,
            # which the workers drop by their ids.
            return _refused(request, 429, "the buffer is full: send again later")
        return web.Response(body=success(refused, media_type), content_type=media_type)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._delivery.closing or not self._delivery.has_room:
            why = (
                "shutting down"
                if self._delivery.closing
                else "the buffer is full: the broker accepts nothing"
            )
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
    """Return the response that refuses a whole request, in OTLP's form if OTLP was sent."""
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
